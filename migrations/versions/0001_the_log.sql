-- Apps and keys -----------------------------------------------------------------------------------------------------

CREATE TABLE notify.apps (
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    jwt_secret text,
    created_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO notify.apps (id, name) VALUES ('default', 'Default');

CREATE TABLE notify.api_keys (
    id uuid PRIMARY KEY,
    app_id text COLLATE "C" NOT NULL REFERENCES notify.apps (id),
    name text NOT NULL,
    prefix text NOT NULL,
    key_hash bytea NOT NULL CONSTRAINT api_keys_key_hash UNIQUE,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at timestamptz
);

CREATE INDEX api_keys_app ON notify.api_keys (app_id, created_at, id);

-- The store itself --------------------------------------------------------------------------------------------------

CREATE FUNCTION notify.random_name(length integer) RETURNS text
    LANGUAGE sql VOLATILE PARALLEL SAFE
    RETURN substr(replace(gen_random_uuid()::text, '-', ''), 1, length);

-- Every epoch on the wire begins with the generation: changing it invalidates every position at once, whatever the
-- number of inboxes. The identity says which database these rows were written in.
CREATE TABLE notify.store (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    generation text NOT NULL DEFAULT notify.random_name(4),
    identity text,
    outbox_doorbell boolean NOT NULL DEFAULT true
);

INSERT INTO notify.store DEFAULT VALUES;

-- Inboxes: the log's heads and the counters -------------------------------------------------------------------------

CREATE TABLE notify.inboxes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app_id text COLLATE "C" NOT NULL REFERENCES notify.apps (id),
    user_id text COLLATE "C" NOT NULL,
    epoch text NOT NULL DEFAULT notify.random_name(6),
    head bigint NOT NULL DEFAULT 0,
    floor bigint NOT NULL DEFAULT 0,
    unread integer NOT NULL DEFAULT 0,
    unseen integer NOT NULL DEFAULT 0,
    total integer NOT NULL DEFAULT 0,
    arrived_at timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT inboxes_user UNIQUE (app_id, user_id),
    CONSTRAINT inboxes_positions CHECK (0 <= floor AND floor <= head),
    CONSTRAINT inboxes_counters CHECK (0 <= unseen AND unseen <= unread AND unread <= total)
) WITH (fillfactor = 80);

CREATE TABLE notify.type_counts (
    inbox_id bigint NOT NULL,
    type text COLLATE "C" NOT NULL,
    unread integer NOT NULL,
    unseen integer NOT NULL,
    total integer NOT NULL,
    PRIMARY KEY (inbox_id, type)
) WITH (fillfactor = 80);

-- Notifications -----------------------------------------------------------------------------------------------------

CREATE FUNCTION notify.state_of(seen_at timestamptz, read_at timestamptz, archived_at timestamptz, deleted_at timestamptz)
    RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN deleted_at IS NOT NULL THEN 4
        WHEN archived_at IS NOT NULL THEN 3
        WHEN read_at IS NOT NULL THEN 2
        WHEN seen_at IS NOT NULL THEN 1
        ELSE 0
    END::smallint;

-- No foreign key to inboxes: every row is written under its inbox's lock, and the check would cost each insert a lock more.
CREATE TABLE notify.notifications (
    id uuid PRIMARY KEY,
    inbox_id bigint NOT NULL,
    created_position bigint NOT NULL,
    arrived_position bigint NOT NULL,
    changed_position bigint NOT NULL,
    state smallint NOT NULL GENERATED ALWAYS AS (notify.state_of(seen_at, read_at, archived_at, deleted_at)) STORED,
    type text COLLATE "C",
    level text NOT NULL,
    title text NOT NULL,
    body text,
    data json,
    url text,
    actions json,
    actor json,
    collapse_key text,
    collapsed_id uuid,
    created_at timestamptz NOT NULL,
    arrived_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    seen_at timestamptz,
    read_at timestamptz,
    archived_at timestamptz,
    deleted_at timestamptz,
    CONSTRAINT notifications_positions CHECK (
        0 < created_position AND created_position <= arrived_position AND arrived_position <= changed_position
    ),
    CONSTRAINT notifications_read_implies_seen CHECK (read_at IS NULL OR seen_at IS NOT NULL)
);

CREATE UNIQUE INDEX notifications_changes ON notify.notifications (inbox_id, changed_position);

CREATE INDEX notifications_listing ON notify.notifications (inbox_id, state, arrived_at, arrived_position);

CREATE INDEX notifications_listing_by_type ON notify.notifications (inbox_id, type, state, arrived_at, arrived_position)
    WHERE type IS NOT NULL;

CREATE INDEX notifications_collapse ON notify.notifications (inbox_id, collapse_key, state) WHERE collapse_key IS NOT NULL;

CREATE INDEX notifications_tombstones ON notify.notifications (deleted_at) WHERE deleted_at IS NOT NULL;

-- Idempotency -------------------------------------------------------------------------------------------------------

CREATE TABLE notify.idempotency (
    app_id text COLLATE "C" NOT NULL,
    key_hash bytea NOT NULL,
    part integer NOT NULL,
    request_hash bytea NOT NULL,
    answer json NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (app_id, key_hash, part)
);

CREATE INDEX idempotency_created_at ON notify.idempotency (created_at);

-- The outbox --------------------------------------------------------------------------------------------------------

-- With the microseconds behind the milliseconds (RFC 9562, 6.2, method 3), so that what a producer sends first comes first.
CREATE FUNCTION notify.uuid7() RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE
    RETURN (
        SELECT encode(
            overlay(
                uuid_send(gen_random_uuid())
                PLACING substring(int8send(us / 1000) FROM 3) || int2send((28672 + us % 1000 * 4096 / 1000)::smallint)
                FROM 1 FOR 8
            ),
            'hex'
        )::uuid
        FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us) AS this_moment
    );

CREATE TABLE notify.outbox (
    id uuid PRIMARY KEY DEFAULT notify.uuid7(),
    app_id text COLLATE "C" NOT NULL DEFAULT 'default',
    user_id text COLLATE "C" NOT NULL,
    title text NOT NULL,
    body text,
    type text,
    level text NOT NULL DEFAULT 'info',
    data json,
    url text,
    actions json,
    actor json,
    collapse_key text,
    created_at timestamptz NOT NULL DEFAULT now(),
    failed_at timestamptz,
    failure text,
    CONSTRAINT outbox_user_id CHECK (char_length(user_id) BETWEEN 1 AND 255),
    CONSTRAINT outbox_title CHECK (char_length(title) BETWEEN 1 AND 255),
    CONSTRAINT outbox_level CHECK (level IN ('info', 'success', 'warning', 'error')),
    CONSTRAINT outbox_data CHECK (json_typeof(data) = 'object'),
    CONSTRAINT outbox_actions CHECK (json_typeof(actions) = 'array'),
    CONSTRAINT outbox_actor CHECK (json_typeof(actor) = 'object')
);

CREATE INDEX outbox_waiting ON notify.outbox (id) WHERE failed_at IS NULL;

CREATE FUNCTION notify.send(
    user_id text,
    title text,
    body text DEFAULT NULL,
    type text DEFAULT NULL,
    level text DEFAULT 'info',
    data json DEFAULT NULL,
    url text DEFAULT NULL,
    actions json DEFAULT NULL,
    actor json DEFAULT NULL,
    collapse_key text DEFAULT NULL,
    app_id text DEFAULT 'default'
) RETURNS uuid
    LANGUAGE plpgsql VOLATILE
    AS $$
DECLARE
    -- Made here: RETURNING would need the right to read the outbox, which producers do not have.
    new_id constant uuid := notify.uuid7();
BEGIN
    INSERT INTO notify.outbox (id, app_id, user_id, title, body, type, level, data, url, actions, actor, collapse_key)
    VALUES (new_id, app_id, user_id, title, body, type, level, data, url, actions, actor, collapse_key);
    RETURN new_id;
END
$$;

CREATE FUNCTION notify.ring_outbox() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF (SELECT outbox_doorbell FROM notify.store) THEN
        PERFORM pg_notify('notify', 'outbox');
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER outbox_rings AFTER INSERT ON notify.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION notify.ring_outbox();

-- Producers in the same database may put into the outbox and do nothing else.

REVOKE ALL ON FUNCTION notify.ring_outbox() FROM PUBLIC;

REVOKE ALL ON FUNCTION notify.send(text, text, text, text, text, json, text, json, json, text, text) FROM PUBLIC;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'notify_producer') THEN
        CREATE ROLE notify_producer NOLOGIN;
    END IF;
EXCEPTION
    -- Another database of this cluster may be doing the same now; and an owner that may not make roles goes without.
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE WARNING 'The role notify_producer could not be made; make it, then grant what docs/sql-producers.md shows.';
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'notify_producer') THEN
        GRANT USAGE ON SCHEMA notify TO notify_producer;
        GRANT INSERT (id, app_id, user_id, title, body, type, level, data, url, actions, actor, collapse_key)
            ON notify.outbox TO notify_producer;
        GRANT EXECUTE ON FUNCTION notify.send(text, text, text, text, text, json, text, json, json, text, text)
            TO notify_producer;
    END IF;
END
$$;
