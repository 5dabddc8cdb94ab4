-- jwks_fetched: what a fetch brought, unless the app has named another URL or another fetch was begun since.
UPDATE notify.jwks
SET document = $4, digest = $5, fetched_at = $6, ended_at = $6, failure = NULL
WHERE app_id = $1 AND url = $2 AND begun_at = $3
