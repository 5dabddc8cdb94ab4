-- audit_begin: notes an act before it is done, or one that was refused. A key is shown by its name too, as it is called now.
INSERT INTO notify.audit (id, app_id, at, actor, actor_name, action, about, address, request_id, status, ended_at)
SELECT
    $1, $2::text, $3::timestamptz, $4::text,
    (SELECT prefix || '… ' || name FROM notify.api_keys WHERE id = $5::uuid),
    $6::text, $7::jsonb, $8::text, $9::text, $10::integer, CASE WHEN $10::integer IS NOT NULL THEN $3::timestamptz END
ON CONFLICT (id) DO NOTHING
