-- topic_set: what an app says of a topic or a pattern.
INSERT INTO notify.topics (app_id, topic, self_service, late_entries, late_seconds, updated_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (app_id, topic) DO UPDATE SET
    self_service = excluded.self_service,
    late_entries = excluded.late_entries,
    late_seconds = excluded.late_seconds,
    updated_at = excluded.updated_at
RETURNING topic, self_service, late_entries, late_seconds, updated_at
