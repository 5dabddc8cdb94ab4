-- A secret that was rotated is taken beside the new one until a time.
ALTER TABLE notify.apps
    ADD COLUMN enabled boolean NOT NULL DEFAULT true,
    ADD COLUMN jwt_secret_before text,
    ADD COLUMN jwt_secret_before_until timestamptz,
    ADD COLUMN jwt_issuer text,
    ADD COLUMN jwt_audience text,
    ADD CONSTRAINT apps_secret_before CHECK (num_nulls(jwt_secret_before, jwt_secret_before_until) IN (0, 2));

-- The public keys of apps that sign tokens themselves. With a URL they come from there: `begun_at` and `ended_at` are of the
-- latest fetch, `fetched_at` of the latest that brought something, and `failure` says what was wrong with the latest.
CREATE TABLE notify.jwks (
    app_id text COLLATE "C" PRIMARY KEY REFERENCES notify.apps (id),
    url text,
    document text,
    digest bytea,
    begun_at timestamptz,
    ended_at timestamptz,
    fetched_at timestamptz,
    failure text,
    CONSTRAINT jwks_document CHECK (url IS NOT NULL OR document IS NOT NULL),
    CONSTRAINT jwks_digest CHECK (num_nulls(document, digest) IN (0, 2))
);

-- What names neither a user nor a session is of a whole app.
ALTER TABLE notify.revocations
    DROP CONSTRAINT revocations_subject,
    ADD CONSTRAINT revocations_subject CHECK (num_nonnulls(user_id, session_id) <= 1);
