-- key_revoke: a key of this app is good for nothing any more, nor is what was opened with it.
WITH revoked AS (
    UPDATE notify.api_keys SET revoked_at = coalesce(revoked_at, $4::timestamptz)
    WHERE id = $2 AND app_id = $3
    RETURNING id, app_id
), noted AS (
    INSERT INTO notify.revocations (id, app_id, key_id, revoked_at)
    SELECT $1, app_id, id, now() FROM revoked
    ON CONFLICT (id) DO NOTHING
)
SELECT id FROM revoked
