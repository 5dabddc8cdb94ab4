-- key_end: a key works until then and no longer, and so does what was opened with it.
WITH ended AS (
    UPDATE notify.api_keys SET expires_at = least(expires_at, $4::timestamptz)
    WHERE id = $2 AND app_id = $3
    RETURNING id, app_id, expires_at
), noted AS (
    INSERT INTO notify.revocations (id, app_id, key_id, revoked_at, ends_at)
    SELECT $1, app_id, id, now(), expires_at FROM ended
)
SELECT expires_at FROM ended
