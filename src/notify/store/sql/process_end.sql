-- process_end: a process that has left nothing behind.
DELETE FROM notify.processes WHERE id = $1
