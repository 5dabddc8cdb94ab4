-- Exports and erasures under way, and the receipts that are left of them, which name nobody whom they are about.
CREATE TABLE notify.operations (
    id uuid PRIMARY KEY,
    app_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    actor text NOT NULL,
    state text NOT NULL DEFAULT 'running',
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    started_at timestamptz NOT NULL,
    stepped_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT operations_kind CHECK (kind IN ('export', 'erase')),
    CONSTRAINT operations_state CHECK (state IN ('running', 'done', 'stopped'))
);
CREATE INDEX operations_running ON notify.operations (stepped_at) WHERE state = 'running';
CREATE INDEX operations_ended_at ON notify.operations (ended_at) WHERE ended_at IS NOT NULL;

-- Whom an erasure is about, for as long as it is under way, and how far it is. `left_at` is the database's time, by which
-- everybody was told to end the user's connections; the other times are of the process that is at it.
CREATE TABLE notify.erasures (
    operation_id uuid PRIMARY KEY REFERENCES notify.operations (id),
    app_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    phase text NOT NULL DEFAULT 'leave',
    inbox_ids bigint[] NOT NULL DEFAULT '{}',
    left_at timestamptz,
    due_at timestamptz NOT NULL,
    worker uuid,
    leased_until timestamptz,
    CONSTRAINT erasures_phase CHECK (phase IN ('leave', 'remove', 'sweep'))
);
CREATE INDEX erasures_due_at ON notify.erasures (due_at);
