-- Who is connected where. Unlogged: after a crash of the database every process writes its own again.
CREATE UNLOGGED TABLE notify.processes (
    id uuid PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    alive_until timestamptz NOT NULL
) WITH (fillfactor = 50);

-- No foreign key to processes: whoever writes here holds the lock of the process, one for many rows.
CREATE UNLOGGED TABLE notify.sessions (
    id uuid PRIMARY KEY,
    process_id uuid NOT NULL,
    app_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    transport text NOT NULL,
    device text COLLATE "C",
    connected_at timestamptz NOT NULL,
    expires_at timestamptz
);

CREATE INDEX sessions_user ON notify.sessions (app_id, user_id, id);

CREATE INDEX sessions_process ON notify.sessions (process_id, id);

-- When the last connection of a user ended.
CREATE TABLE notify.seen (
    app_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (app_id, user_id)
) WITH (fillfactor = 80);

-- Which connections had to end. Every process looks here for those that it was not rung for: they may be too new to have
-- a row in sessions, or of a process that was out of touch.
CREATE TABLE notify.revocations (
    id uuid PRIMARY KEY,
    app_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C",
    session_id uuid,
    revoked_at timestamptz NOT NULL,
    CONSTRAINT revocations_subject CHECK (num_nonnulls(user_id, session_id) = 1)
);

CREATE INDEX revocations_revoked_at ON notify.revocations (revoked_at);
