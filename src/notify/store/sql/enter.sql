-- enter: an edit or a recall takes the next position of its app's log, which is locked, under the keys of what it changes.
WITH log AS (
    UPDATE notify.logs SET head = head + 1 WHERE app_id = $1 RETURNING head
), entered AS (
    INSERT INTO notify.entries (app_id, key, position, publication_id, change, entered_at)
    SELECT $1, key, log.head, $3::uuid, $4::text, $5::timestamptz
    FROM log
    CROSS JOIN unnest($2::text[]) AS named (key)
)
SELECT head FROM log
