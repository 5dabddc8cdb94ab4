-- erase_exclusions: a user's name is taken out of what was published for others only. All of the app's log is walked over.
WITH slice AS (
    SELECT id, position
    FROM notify.publications
    WHERE app_id = $1 AND position > coalesce($3::text::bigint, 0)
    ORDER BY position
    LIMIT (SELECT $4::integer)
), named AS (
    UPDATE notify.publications AS published
    SET excluded = array_remove(published.excluded, $2)
    FROM slice
    WHERE published.id = slice.id AND $2 = ANY (published.excluded)
    RETURNING published.id
)
SELECT
    (SELECT count(*) FROM named) AS removed,
    CASE WHEN (SELECT count(*) FROM slice) = $4 THEN (SELECT max(position)::text FROM slice) END AS after
