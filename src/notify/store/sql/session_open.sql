-- session_open: sessions of this process, new or changed; none if the others have taken it for dead. What another process
-- has extended further stays so.
WITH process AS (
    SELECT id FROM notify.processes WHERE id = $1 AND alive_until > now() FOR KEY SHARE
)
INSERT INTO notify.sessions AS known (
    id, process_id, app_id, user_id, transport, device, connected_at, expires_at, token_id, key_id, issued_at
)
SELECT opened.id, process.id, opened.app_id, opened.user_id, opened.transport, opened.device,
    now() - make_interval(secs => opened.age_seconds), to_timestamp(opened.expires_at),
    opened.token_id, opened.key_id, opened.issued_at
FROM process
CROSS JOIN unnest(
    $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::double precision[], $8::double precision[],
    $9::text[], $10::uuid[], $11::double precision[]
) AS opened (
    id, app_id, user_id, transport, device, age_seconds, expires_at, token_id, key_id, issued_at
)
ORDER BY opened.id
ON CONFLICT (id) DO UPDATE
SET process_id = excluded.process_id,
    expires_at = greatest(known.expires_at, excluded.expires_at),
    token_id = CASE WHEN known.expires_at > excluded.expires_at THEN known.token_id ELSE excluded.token_id END,
    key_id = CASE WHEN known.expires_at > excluded.expires_at THEN known.key_id ELSE excluded.key_id END,
    issued_at = CASE WHEN known.expires_at > excluded.expires_at THEN known.issued_at ELSE excluded.issued_at END
