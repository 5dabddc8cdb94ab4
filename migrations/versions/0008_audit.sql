-- One row for each administrative act, written before it is done; `status` and `ended_at` say afterwards how it ended. The
-- service never removes one but for its age, and changes one only to erase whom it is about.
CREATE TABLE notify.audit (
    id uuid PRIMARY KEY,
    app_id text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    actor text COLLATE "C" NOT NULL,
    actor_name text,
    action text COLLATE "C" NOT NULL,
    about jsonb NOT NULL,
    user_id text COLLATE "C" GENERATED ALWAYS AS (about ->> 'user_id') STORED,
    address text,
    request_id text,
    status integer,
    ended_at timestamptz
);
CREATE INDEX audit_at ON notify.audit (at, id);
CREATE INDEX audit_app ON notify.audit (app_id, at, id);
CREATE INDEX audit_user ON notify.audit (app_id, user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_actor ON notify.audit (app_id, actor, id);
