-- erase_answers: a user's part is taken out of the answers that are kept for idempotency keys. The keys stay, so that what
-- was asked with one is not done again. All of the app are walked over.
WITH slice AS (
    SELECT key_hash, part
    FROM notify.idempotency
    WHERE app_id = $1
        AND (key_hash, part) > (
            coalesce(decode(split_part($3::text, ':', 1), 'hex'), ''), coalesce(split_part($3, ':', 2)::integer, -1)
        )
    ORDER BY key_hash, part
    LIMIT (SELECT $4::integer)
), named AS (
    UPDATE notify.idempotency AS kept
    SET answer = jsonb_set(
        kept.answer::jsonb,
        '{items}',
        coalesce(
            (
                SELECT jsonb_agg(item ORDER BY place)
                FROM jsonb_array_elements(kept.answer::jsonb -> 'items') WITH ORDINALITY AS each (item, place)
                WHERE item ->> 'user_id' <> $2
            ),
            '[]'
        )
    )::json
    FROM slice
    WHERE kept.app_id = $1 AND kept.key_hash = slice.key_hash AND kept.part = slice.part
        AND EXISTS (
            SELECT FROM json_array_elements(kept.answer -> 'items') AS item WHERE item ->> 'user_id' = $2
        )
    RETURNING kept.part
)
SELECT
    (SELECT count(*) FROM named) AS removed,
    CASE WHEN (SELECT count(*) FROM slice) = $4 THEN (
        SELECT encode(key_hash, 'hex') || ':' || part FROM slice ORDER BY key_hash DESC, part DESC LIMIT 1
    ) END AS after
