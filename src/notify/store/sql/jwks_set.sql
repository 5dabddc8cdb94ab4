-- jwks_set: where an app's public keys are, or what they are. Keys that came from the same URL stay until it is asked again.
INSERT INTO notify.jwks AS kept (app_id, url, document, digest) VALUES ($1, $2, $3, $4)
ON CONFLICT (app_id) DO UPDATE
SET url = excluded.url,
    document = CASE WHEN excluded.url = kept.url THEN kept.document ELSE excluded.document END,
    digest = CASE WHEN excluded.url = kept.url THEN kept.digest ELSE excluded.digest END,
    fetched_at = CASE WHEN excluded.url = kept.url THEN kept.fetched_at END,
    begun_at = NULL,
    ended_at = NULL,
    failure = NULL
