-- retention_slice: the last of the next inboxes, at most so many, in the order of their ids.
SELECT max(id)
FROM (
    SELECT id
    FROM notify.inboxes
    WHERE id > $1::bigint AND id <= $2::bigint
    ORDER BY id
    LIMIT (SELECT $3::integer)
) AS slice
