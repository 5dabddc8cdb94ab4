-- apps_with_secrets: the apps that have any.
SELECT id FROM notify.apps WHERE jwt_secret IS NOT NULL OR jwt_secret_before IS NOT NULL ORDER BY id
