-- app_secrets_set: the secrets of an app, in place of those it had.
UPDATE notify.apps
SET jwt_secret = $2, jwt_secret_before = $3, jwt_secret_before_until = $4
WHERE id = $1
