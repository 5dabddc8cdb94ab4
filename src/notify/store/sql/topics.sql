-- topics: what an app says of topics and patterns, past one of them, by name.
SELECT topic, self_service, late_entries, late_seconds, updated_at
FROM notify.topics
WHERE app_id = $1 AND topic > coalesce($2::text, '')
ORDER BY topic
LIMIT $3::integer
