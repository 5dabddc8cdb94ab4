-- find_key: whose API key this is, while it is not revoked, what it is bound to, and whether its app may be used.
SELECT
    key.id, key.app_id, key.scopes, key.expires_at, key.allowed_addresses, key.types,
    coalesce(key.last_used_at < $2::timestamptz, true) AS use_is_news, app.enabled
FROM notify.api_keys AS key
JOIN notify.apps AS app ON app.id = key.app_id
WHERE key.key_hash = $1 AND key.revoked_at IS NULL
