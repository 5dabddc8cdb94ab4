-- export_answers: the answers that are kept for idempotency keys, as far as they name a user. All of the app are walked over.
SELECT
    encode(key_hash, 'hex') || ':' || part AS after, items IS NOT NULL AS is_held, answer ->> 'id' AS id, items, created_at
FROM (
    SELECT
        kept.*,
        (
            SELECT json_agg(item) FROM json_array_elements(kept.answer -> 'items') AS item WHERE item ->> 'user_id' = $2
        ) AS items,
        row_number() OVER (ORDER BY key_hash DESC, part DESC) = 1 AS is_last
    FROM (
        SELECT key_hash, part, answer, created_at
        FROM notify.idempotency
        WHERE app_id = $1
            AND (key_hash, part) > (
                coalesce(decode(split_part($3::text, ':', 1), 'hex'), ''),
                coalesce(split_part($3, ':', 2)::integer, -1)
            )
        ORDER BY key_hash, part
        LIMIT (SELECT $4::integer)
    ) AS kept
) AS slice
WHERE items IS NOT NULL OR is_last
ORDER BY key_hash, part
