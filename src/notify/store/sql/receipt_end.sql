-- receipt_end: an export has ended. What is done was all there was.
UPDATE notify.operations
SET state = $2::text, done = $3::bigint, total = CASE WHEN $2 = 'done' THEN $3 ELSE total END,
    stepped_at = $4::timestamptz, ended_at = $4
WHERE id = $1
