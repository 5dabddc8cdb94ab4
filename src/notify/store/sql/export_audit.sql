-- export_audit: administrative acts about a user, or by them.
SELECT
    id::text AS after, true AS is_held, id, at, actor AS by, action, about,
    CASE WHEN actor = 'user:' || $2 THEN address END AS address, request_id, status, ended_at
FROM notify.audit
WHERE app_id = $1
    AND (user_id = $2 OR actor = 'user:' || $2)
    AND id > coalesce($3::text, '00000000-0000-0000-0000-000000000000')::uuid
ORDER BY id
LIMIT (SELECT $4::integer)
