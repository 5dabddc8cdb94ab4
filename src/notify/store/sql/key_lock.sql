-- key_lock: a key of this app, which nobody else changes meanwhile.
SELECT scopes, revoked_at, expires_at, allowed_addresses, types
FROM notify.api_keys
WHERE id = $1 AND app_id = $2
FOR UPDATE
