-- enter: an edit or a recall takes the next position of its app's log, which is locked.
WITH log AS (
    UPDATE notify.logs SET head = head + 1 WHERE app_id = $1 RETURNING head
), entered AS (
    INSERT INTO notify.entries (app_id, key, position, publication_id, change, entered_at)
    SELECT $1, $2, log.head, $3::uuid, $4::text, $5::timestamptz
    FROM log
)
SELECT head FROM log
