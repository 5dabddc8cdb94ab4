-- idempotency_keep: keeps the answers of these keys, in the transaction that made them true. An answer too old to be
-- given again makes way.
INSERT INTO notify.idempotency AS stored (app_id, key_hash, part, request_hash, answer, created_at)
SELECT app_id, key_hash, part, request_hash, answer::json, $6::timestamptz
FROM unnest($1::text[], $2::bytea[], $3::integer[], $4::bytea[], $5::text[]) AS k (app_id, key_hash, part, request_hash, answer)
ON CONFLICT (app_id, key_hash, part) DO UPDATE SET
    request_hash = excluded.request_hash, answer = excluded.answer, created_at = excluded.created_at
