-- idempotency_lock: tries to become the only request with each of these keys until the transaction ends; never waits.
SELECT pg_try_advisory_xact_lock(hashtextextended(app_id || ' ' || encode(key_hash, 'hex') || ' ' || part, 7)) AS alone
FROM unnest($1::text[], $2::bytea[], $3::integer[]) WITH ORDINALITY AS k (app_id, key_hash, part, place)
ORDER BY place
