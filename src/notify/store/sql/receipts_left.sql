-- receipts_left: exports of processes that died while they were at it.
UPDATE notify.operations
SET state = 'stopped', ended_at = stepped_at
WHERE ctid = ANY (ARRAY (
        SELECT ctid
        FROM notify.operations
        WHERE state = 'running' AND kind = 'export' AND stepped_at < $1
        ORDER BY stepped_at
        LIMIT $2
    ))
    AND state = 'running'
    AND stepped_at < $1::timestamptz
