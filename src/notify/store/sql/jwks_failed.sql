-- jwks_failed: a fetch brought nothing; the keys that there are stay. The same reservation.
UPDATE notify.jwks
SET ended_at = $5, failure = $4
WHERE app_id = $1 AND url = $2 AND begun_at = $3
