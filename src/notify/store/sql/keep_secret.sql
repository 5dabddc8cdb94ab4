-- keep_secret: gives an app the secret for its user tokens unless it has one, and returns the one it has.
WITH kept AS (
    UPDATE notify.apps SET jwt_secret = $2 WHERE id = $1 AND jwt_secret IS NULL RETURNING jwt_secret
)
SELECT jwt_secret FROM kept
UNION ALL
SELECT jwt_secret FROM notify.apps WHERE id = $1 AND jwt_secret IS NOT NULL
