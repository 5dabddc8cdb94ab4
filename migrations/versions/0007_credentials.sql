-- How often something of an app's tokens was revoked: processes go by what they looked up until this changes.
ALTER TABLE notify.apps ADD COLUMN revocations bigint NOT NULL DEFAULT 0;

-- Tokens that are not good any more, for as long as they could be.
CREATE TABLE notify.revoked_tokens (
    app_id text COLLATE "C" NOT NULL,
    token_id text COLLATE "C" NOT NULL,
    revoked_at timestamptz NOT NULL,
    PRIMARY KEY (app_id, token_id)
);

CREATE INDEX revoked_tokens_revoked_at ON notify.revoked_tokens (revoked_at);

-- Users whose tokens up to a moment are not good any more.
CREATE TABLE notify.sign_outs (
    app_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    signed_out_at timestamptz NOT NULL,
    PRIMARY KEY (app_id, user_id)
);

CREATE INDEX sign_outs_signed_out_at ON notify.sign_outs (signed_out_at);

-- Which connections had to end: all of an app, of a user or of a credential, or one. With signed_out_at those that a user
-- opened with something made up to then; with ends_at those of a key, not before that time.
ALTER TABLE notify.revocations
    ADD COLUMN token_id text COLLATE "C",
    ADD COLUMN key_id uuid,
    ADD COLUMN signed_out_at timestamptz,
    ADD COLUMN ends_at timestamptz,
    DROP CONSTRAINT revocations_subject,
    ADD CONSTRAINT revocations_subject CHECK (num_nonnulls(user_id, session_id, token_id, key_id) <= 1);

-- What a connection was opened or last extended with.
ALTER TABLE notify.sessions
    ADD COLUMN token_id text COLLATE "C",
    ADD COLUMN key_id uuid,
    ADD COLUMN issued_at double precision;

-- Unlogged: a ticket lives for half a minute, and after a crash of the database another is asked for.
CREATE UNLOGGED TABLE notify.tickets (
    hash bytea PRIMARY KEY,
    app_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    endpoint text NOT NULL,
    origin text COLLATE "C",
    scopes text[] NOT NULL,
    is_admin boolean NOT NULL,
    token_id text COLLATE "C",
    key_id uuid,
    issued_at double precision,
    ends_at double precision NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    spent_at timestamptz
) WITH (fillfactor = 80);

CREATE INDEX tickets_made_at ON notify.tickets (made_at);

ALTER TABLE notify.api_keys
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN allowed_addresses text[],
    ADD COLUMN types text[];
