-- app_secret: the secret that signs an app's user tokens.
SELECT jwt_secret FROM notify.apps WHERE id = $1
