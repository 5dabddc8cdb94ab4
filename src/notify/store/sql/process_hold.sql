-- process_hold: keeps this process from writing more sessions.
SELECT id, now() AS seen_at FROM notify.processes WHERE id = $1 FOR UPDATE
