-- find_key: whose API key this is, while it is not revoked, and what it is bound to.
SELECT id, app_id, scopes, expires_at, allowed_addresses, types, coalesce(last_used_at < $2::timestamptz, true) AS use_is_news
FROM notify.api_keys
WHERE key_hash = $1 AND revoked_at IS NULL
