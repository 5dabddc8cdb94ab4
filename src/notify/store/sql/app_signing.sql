-- app_signing: how an app's tokens are verified. The document is left out where the reader has that one.
SELECT
    app.enabled, app.jwt_secret, app.jwt_secret_before, app.jwt_secret_before_until, app.jwt_issuer, app.jwt_audience,
    app.revocations, jwks.url, jwks.digest, jwks.begun_at, jwks.ended_at, jwks.fetched_at,
    CASE WHEN jwks.digest IS DISTINCT FROM $2::bytea THEN jwks.document END AS document
FROM notify.apps AS app
LEFT JOIN notify.jwks ON jwks.app_id = app.id
WHERE app.id = $1
