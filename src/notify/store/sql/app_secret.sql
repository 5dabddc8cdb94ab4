-- app_secret: the secret that signs an app's user tokens, and how often some of them were revoked.
SELECT jwt_secret, revocations FROM notify.apps WHERE id = $1
