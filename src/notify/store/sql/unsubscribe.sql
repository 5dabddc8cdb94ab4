-- unsubscribe: what is published to a topic or below a pattern is no longer for this user.
DELETE FROM notify.subscriptions WHERE app_id = $1 AND user_id = $2 AND topic = $3
