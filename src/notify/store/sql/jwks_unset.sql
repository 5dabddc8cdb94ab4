-- jwks_unset: an app has no public keys any more.
DELETE FROM notify.jwks WHERE app_id = $1
