-- receipt_step: how far an export has come.
UPDATE notify.operations SET done = $2::bigint, stepped_at = $3::timestamptz WHERE id = $1 AND state = 'running'
