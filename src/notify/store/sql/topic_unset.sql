-- topic_unset: an app has nothing more to say of a topic or a pattern.
DELETE FROM notify.topics WHERE app_id = $1 AND topic = $2
