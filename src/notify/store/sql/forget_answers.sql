-- forget_answers: removes idempotency answers that are too old to be given again. By their places, so that no plan reads
-- the whole table; the time is looked at again because another process may just have renewed one.
DELETE FROM notify.idempotency
WHERE ctid = ANY (ARRAY (SELECT ctid FROM notify.idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2))
    AND created_at < $1::timestamptz
