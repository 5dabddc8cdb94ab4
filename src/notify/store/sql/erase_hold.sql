-- erase_hold: this process is still at an erasure, and stays so for a while. Locks it before anything else (law 2).
UPDATE notify.erasures
SET leased_until = $3::timestamptz
WHERE operation_id = $1 AND worker = $2
RETURNING inbox_ids
