-- audit_list: acts in an app, or in all, before a place in the order of the times, newest first.
SELECT id, app_id, at, actor, actor_name, action, about, address, request_id, status, ended_at
FROM notify.audit
WHERE ($1::text IS NULL OR app_id = $1)
    AND ($2::text IS NULL OR action = $2)
    AND ($3::text IS NULL OR actor = $3)
    AND ($4::timestamptz IS NULL OR at >= $4)
    AND (at, id) < ($5::timestamptz, $6::uuid)
ORDER BY at DESC, id DESC
LIMIT (SELECT $7::integer)
