-- export_exclusions: what was published for others and not for a user. All of the app's log is walked over.
SELECT position::text AS after, is_excluded AS is_held, id, published_at
FROM (
    SELECT published.*, row_number() OVER (ORDER BY position DESC) = 1 AS is_last
    FROM (
        SELECT id, position, published_at, $2 = ANY (excluded) AS is_excluded
        FROM notify.publications
        WHERE app_id = $1 AND position > coalesce($3::text::bigint, 0)
        ORDER BY position
        LIMIT (SELECT $4::integer)
    ) AS published
) AS slice
WHERE is_excluded OR is_last
ORDER BY position
