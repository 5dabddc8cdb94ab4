-- process_dead: a process that has given no sign of life, for the one who clears up after it. It never comes back as the same.
SELECT id, seen_at FROM notify.processes WHERE alive_until < now() LIMIT 1 FOR UPDATE SKIP LOCKED
