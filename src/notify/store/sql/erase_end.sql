-- erase_end: an erasure is over, and whom it was about is forgotten. The receipt stays.
WITH over AS (
    DELETE FROM notify.erasures WHERE operation_id = $1 RETURNING operation_id
)
UPDATE notify.operations
SET state = 'done', total = done, stepped_at = $2::timestamptz, ended_at = $2
FROM over
WHERE id = over.operation_id
