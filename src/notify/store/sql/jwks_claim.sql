-- jwks_claim: takes on a fetch of public keys that nobody has begun lately: where a token has asked for a key since $2,
-- otherwise since $3.
UPDATE notify.jwks
SET begun_at = $4
WHERE app_id IN (
    SELECT jwks.app_id
    FROM notify.jwks
    JOIN notify.apps AS app ON app.id = jwks.app_id
    WHERE jwks.url IS NOT NULL AND app.enabled
        AND (
            jwks.begun_at IS NULL
            OR jwks.begun_at <= CASE WHEN jwks.app_id = ANY ($1::text[]) THEN $2::timestamptz ELSE $3::timestamptz END
        )
    ORDER BY jwks.begun_at NULLS FIRST
    LIMIT $5
    FOR NO KEY UPDATE OF jwks SKIP LOCKED
)
RETURNING app_id, url
