-- export_seen: when the last connection of a user ended.
SELECT user_id AS after, true AS is_held, seen_at
FROM notify.seen
WHERE app_id = $1 AND user_id = $2 AND $3::text IS NULL
LIMIT (SELECT $4::integer)
