-- forget_answers: removes idempotency answers that are too old to be given again.
DELETE FROM notify.idempotency
WHERE (app_id, key_hash, part) IN (
    SELECT app_id, key_hash, part FROM notify.idempotency WHERE created_at < $1::timestamptz LIMIT $2
)
