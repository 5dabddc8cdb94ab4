-- retention_said: what an app says of how long its notifications stay, by type.
SELECT type, read_days, unread_days, action, updated_at FROM notify.retention WHERE app_id = $1 ORDER BY type
