-- ring: tells every process that listens.
SELECT pg_notify($1, $2)
