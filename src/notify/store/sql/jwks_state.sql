-- jwks_state: what an app said of its tokens, and how the latest fetch of its keys went.
SELECT
    app.jwt_issuer, app.jwt_audience, app.jwt_secret_before_until, jwks.url, jwks.document, jwks.begun_at, jwks.fetched_at,
    jwks.failure
FROM notify.apps AS app
LEFT JOIN notify.jwks ON jwks.app_id = app.id
WHERE app.id = $1
