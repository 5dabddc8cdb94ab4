-- key_copy: a new key with the properties of another.
INSERT INTO notify.api_keys (
    id, app_id, name, prefix, key_hash, scopes, created_at, expires_at, allowed_addresses, types
)
SELECT $2, app_id, name, $3, $4, scopes, $5, expires_at, allowed_addresses, types
FROM notify.api_keys
WHERE id = $1
RETURNING id, name, prefix, scopes, created_at, expires_at, allowed_addresses, types
