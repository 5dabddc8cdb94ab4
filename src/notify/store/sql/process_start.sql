-- process_start: a process begins, or begins anew after the others have taken it for dead.
INSERT INTO notify.processes (id, host, pid, started_at, seen_at, alive_until)
VALUES (
    $1, $2, $3, now() - make_interval(secs => $4::double precision), now(),
    now() + make_interval(secs => $5::double precision)
)
ON CONFLICT (id) DO NOTHING
