-- idempotency_look: the answers that requests with these keys have had.
SELECT place, stored.request_hash, stored.answer
FROM unnest($1::text[], $2::bytea[], $3::integer[]) WITH ORDINALITY AS k (app_id, key_hash, part, place)
JOIN notify.idempotency AS stored USING (app_id, key_hash, part)
WHERE stored.created_at > $4::timestamptz
