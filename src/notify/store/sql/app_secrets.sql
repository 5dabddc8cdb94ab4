-- app_secrets: the secrets of an app, for whoever is about to change them.
SELECT jwt_secret, jwt_secret_before, jwt_secret_before_until FROM notify.apps WHERE id = $1 FOR NO KEY UPDATE
