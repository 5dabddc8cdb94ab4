-- export_flashes: what was shown to a user a moment ago and is kept for nobody, and what was for others only.
SELECT
    id::text AS after, true AS is_held, id, $2 = ANY (excluded) AS excluded,
    CASE WHEN $2 = ANY (user_ids) THEN notification END AS notification, made_at
FROM notify.flashes
WHERE app_id = $1
    AND ($2 = ANY (user_ids) OR $2 = ANY (excluded))
    AND id > coalesce($3::text, '00000000-0000-0000-0000-000000000000')::uuid
ORDER BY id
LIMIT (SELECT $4::integer)
