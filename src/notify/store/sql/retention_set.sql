-- retention_set: what an app says of how long notifications of a type stay, unless it says something of $7 others already.
INSERT INTO notify.retention (app_id, type, read_days, unread_days, action, updated_at)
SELECT $1, $2, $3, $4, $5, $6
WHERE (SELECT count(*) FROM notify.retention WHERE app_id = $1 AND type <> $2) < $7::integer
ON CONFLICT (app_id, type) DO UPDATE SET
    read_days = excluded.read_days,
    unread_days = excluded.unread_days,
    action = excluded.action,
    updated_at = excluded.updated_at
RETURNING type, read_days, unread_days, action, updated_at
