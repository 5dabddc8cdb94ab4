-- export_erasures: erasures of a user that are under way.
SELECT operation_id::text AS after, true AS is_held, operation_id, phase
FROM notify.erasures
WHERE app_id = $1
    AND user_id = $2
    AND operation_id > coalesce($3::text, '00000000-0000-0000-0000-000000000000')::uuid
ORDER BY operation_id
LIMIT (SELECT $4::integer)
