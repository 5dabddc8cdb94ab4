-- revoke_token: a token is good for nothing any more, nor is what was opened with it.
WITH revoked AS (
    INSERT INTO notify.revoked_tokens (app_id, token_id, revoked_at) VALUES ($2, $3, $4)
    ON CONFLICT (app_id, token_id) DO UPDATE SET revoked_at = excluded.revoked_at
), noted AS (
    INSERT INTO notify.revocations (id, app_id, token_id, revoked_at) VALUES ($1, $2, $3, now())
    ON CONFLICT (id) DO NOTHING
)
UPDATE notify.apps SET revocations = revocations + 1 WHERE id = $2
