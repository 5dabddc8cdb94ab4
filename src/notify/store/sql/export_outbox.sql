-- export_outbox: what waits to be sent to a user, whoever else gets it, and what waits and is not for them although it is
-- for all others: of that only the id. All that waits is walked over.
SELECT
    id::text AS after, is_to_them OR is_not_for_them AS is_held, id, is_not_for_them AS excluded, created_at, send_at,
    failed_at,
    CASE WHEN is_to_them THEN title END AS title,
    CASE WHEN is_to_them THEN body END AS body,
    CASE WHEN is_to_them THEN type END AS type,
    CASE WHEN is_to_them THEN level END AS level,
    CASE WHEN is_to_them THEN data END AS data,
    CASE WHEN is_to_them THEN url END AS url,
    CASE WHEN is_to_them THEN actions END AS actions,
    CASE WHEN is_to_them THEN actor END AS actor,
    CASE WHEN is_to_them THEN collapse_key END AS collapse_key,
    CASE WHEN is_to_them THEN progress END AS progress,
    CASE WHEN is_to_them THEN expires_at END AS expires_at,
    CASE WHEN is_to_them THEN failure END AS failure
FROM (
    SELECT
        waiting.*,
        coalesce(app_id = $1 AND (user_id = $2 OR $2 = ANY (user_ids)), false) AS is_to_them,
        coalesce(app_id = $1 AND $2 = ANY (exclude), false) AS is_not_for_them,
        row_number() OVER (ORDER BY id DESC) = 1 AS is_last
    FROM (
        SELECT *
        FROM notify.outbox
        WHERE id > coalesce($3::text, '00000000-0000-0000-0000-000000000000')::uuid
        ORDER BY id
        LIMIT (SELECT $4::integer)
    ) AS waiting
) AS slice
WHERE is_to_them OR is_not_for_them OR is_last
ORDER BY id
