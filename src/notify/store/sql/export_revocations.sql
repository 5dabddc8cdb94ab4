-- export_revocations: when all connections of a user had to end, of the last day.
SELECT id::text AS after, true AS is_held, revoked_at
FROM notify.revocations
WHERE app_id = $1 AND user_id = $2 AND id > coalesce($3::text, '00000000-0000-0000-0000-000000000000')::uuid
ORDER BY id
LIMIT (SELECT $4::integer)
