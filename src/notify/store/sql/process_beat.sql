-- process_beat: this process lives, unless the others have taken it for dead.
UPDATE notify.processes
SET seen_at = now(), alive_until = now() + make_interval(secs => $2::double precision)
WHERE id = $1 AND alive_until > now()
RETURNING id
