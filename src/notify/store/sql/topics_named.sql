-- topics_named: what an app says of these topics and patterns.
SELECT topic, self_service, late_entries, late_seconds, updated_at
FROM notify.topics
WHERE app_id = $1 AND topic = ANY ($2::text[])
