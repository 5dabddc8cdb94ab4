-- Notifications that end, come back, or go on -----------------------------------------------------------------------

-- The generated column changes what it is generated from, which PostgreSQL before 17 cannot do in place.
ALTER TABLE notify.notifications DROP COLUMN state;

DROP FUNCTION notify.state_of(timestamptz, timestamptz, timestamptz, timestamptz);

CREATE FUNCTION notify.state_of(
    seen_at timestamptz, read_at timestamptz, archived_at timestamptz, snoozed_until timestamptz, deleted_at timestamptz
) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN deleted_at IS NOT NULL THEN 5
        WHEN snoozed_until IS NOT NULL THEN 4
        WHEN archived_at IS NOT NULL THEN 3
        WHEN read_at IS NOT NULL THEN 2
        WHEN seen_at IS NOT NULL THEN 1
        ELSE 0
    END::smallint;

ALTER TABLE notify.notifications
    ADD COLUMN progress double precision,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN snoozed_until timestamptz,
    ADD COLUMN state smallint NOT NULL
        GENERATED ALWAYS AS (notify.state_of(seen_at, read_at, archived_at, snoozed_until, deleted_at)) STORED,
    ADD CONSTRAINT notifications_progress CHECK (progress BETWEEN 0 AND 1),
    ADD CONSTRAINT notifications_archived_or_snoozed CHECK (archived_at IS NULL OR snoozed_until IS NULL);

CREATE INDEX notifications_listing ON notify.notifications (inbox_id, state, arrived_at, arrived_position);

CREATE INDEX notifications_listing_by_type ON notify.notifications (inbox_id, type, state, arrived_at, arrived_position)
    WHERE type IS NOT NULL;

CREATE INDEX notifications_listing_by_topic ON notify.notifications (inbox_id, topic, state, arrived_at, arrived_position)
    WHERE topic IS NOT NULL;

CREATE INDEX notifications_collapse ON notify.notifications (inbox_id, collapse_key, state) WHERE collapse_key IS NOT NULL;

CREATE INDEX notifications_expiring ON notify.notifications (inbox_id, expires_at)
    WHERE expires_at IS NOT NULL AND deleted_at IS NULL;

CREATE INDEX notifications_snoozed ON notify.notifications (inbox_id, snoozed_until)
    WHERE snoozed_until IS NOT NULL AND deleted_at IS NULL;

-- No later than when something in the inbox expires or comes back; NULL if nothing does.
ALTER TABLE notify.inboxes ADD COLUMN due_at timestamptz;

ALTER TABLE notify.publications ADD COLUMN progress double precision, ADD COLUMN expires_at timestamptz;

-- The newest that are for everyone, however many went to topics since.
CREATE INDEX publications_to_everyone ON notify.publications (app_id, position) WHERE topics = '{}' AND recalled_at IS NULL;

ALTER TABLE notify.entries
    DROP CONSTRAINT entries_change,
    ADD CONSTRAINT entries_change CHECK (change IN ('publish', 'edit', 'resurface', 'recall'));

-- Edits and recalls are entered once, under a key of their own: they are for whoever has what they change, and that may be
-- somebody who has unsubscribed since.
INSERT INTO notify.entries (app_id, key, position, publication_id, change, entered_at)
SELECT DISTINCT app_id, '#', position, publication_id, change, entered_at
FROM notify.entries
WHERE change <> 'publish';

DELETE FROM notify.entries WHERE change <> 'publish' AND key <> '#';

DROP FUNCTION notify.is_unsettled(text, text, bigint, bigint);

DROP FUNCTION notify.has_entries(text, text, bigint);

-- Whether an app's log holds anything for an inbox past where it was filled up to. Most readers need not look.
CREATE FUNCTION notify.has_entries(of_inbox bigint, of_app text, of_user text, pulled bigint) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN EXISTS (
        SELECT FROM notify.entries WHERE app_id = of_app AND key = '*' AND position > pulled
    ) OR EXISTS (
        SELECT
        FROM notify.subscriptions AS subscription
        JOIN notify.entries AS entry
            ON entry.app_id = of_app
            AND entry.key = subscription.topic
            AND entry.position > greatest(pulled, subscription.since)
        WHERE subscription.app_id = of_app AND subscription.user_id = of_user
    ) OR EXISTS (
        SELECT
        FROM notify.entries AS changed
        JOIN notify.notifications AS had ON had.publication_id = changed.publication_id AND had.inbox_id = of_inbox
        WHERE changed.app_id = of_app AND changed.key = '#' AND changed.position > pulled
    );

CREATE FUNCTION notify.is_unsettled(of_inbox bigint, of_app text, of_user text, pulled bigint, head bigint)
    RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE
        WHEN pulled IS NULL THEN true
        WHEN pulled >= coalesce(head, 0) THEN false
        ELSE notify.has_entries(of_inbox, of_app, of_user, pulled)
    END;

-- The outbox, for every audience and for later -----------------------------------------------------------------------

-- Without `send_at` now.
ALTER TABLE notify.outbox
    ALTER COLUMN user_id DROP NOT NULL,
    ADD COLUMN user_ids text[] COLLATE "C",
    ADD COLUMN topic text COLLATE "C",
    ADD COLUMN topics text[] COLLATE "C",
    ADD COLUMN everyone boolean,
    ADD COLUMN exclude text[] COLLATE "C",
    ADD COLUMN progress double precision,
    ADD COLUMN send_at timestamptz,
    ADD COLUMN expires_at timestamptz,
    ADD CONSTRAINT outbox_audience CHECK (num_nonnulls(user_id, user_ids, topic, topics, everyone) = 1),
    ADD CONSTRAINT outbox_user_ids CHECK (cardinality(user_ids) > 0),
    ADD CONSTRAINT outbox_topics CHECK (cardinality(topics) > 0),
    ADD CONSTRAINT outbox_everyone CHECK (everyone),
    ADD CONSTRAINT outbox_progress CHECK (progress BETWEEN 0 AND 1),
    -- PostgreSQL knows times that no client can read.
    ADD CONSTRAINT outbox_send_at CHECK (send_at BETWEEN '1970-01-01Z' AND '9999-12-31Z'),
    ADD CONSTRAINT outbox_expires_at CHECK (expires_at > send_at AND expires_at BETWEEN '1970-01-01Z' AND '9999-12-31Z');

DROP INDEX notify.outbox_waiting;

CREATE INDEX outbox_waiting ON notify.outbox (coalesce(send_at, created_at), id) WHERE failed_at IS NULL;

CREATE INDEX outbox_scheduled ON notify.outbox (app_id, send_at, id) WHERE send_at IS NOT NULL;

-- How what was scheduled ended, so that whoever cancels it later is told the truth.
CREATE TABLE notify.releases (
    id uuid PRIMARY KEY,
    app_id text COLLATE "C" NOT NULL,
    is_sent boolean NOT NULL,
    ended_at timestamptz NOT NULL
);

CREATE INDEX releases_ended_at ON notify.releases (ended_at);

DROP FUNCTION notify.send(text, text, text, text, text, json, text, json, json, text, text);

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
    app_id text DEFAULT 'default',
    progress double precision DEFAULT NULL,
    send_at timestamptz DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL
) RETURNS uuid
    LANGUAGE plpgsql VOLATILE
    AS $$
DECLARE
    -- Made here: RETURNING would need the right to read the outbox, which producers do not have.
    new_id constant uuid := notify.uuid7();
BEGIN
    INSERT INTO notify.outbox (
        id, app_id, user_id, title, body, type, level, data, url, actions, actor, collapse_key, progress, send_at, expires_at
    )
    VALUES (
        new_id, app_id, user_id, title, body, type, level, data, url, actions, actor, collapse_key, progress, send_at,
        expires_at
    );
    RETURN new_id;
END
$$;

-- To the subscribers of topics, or without any to everyone.
CREATE FUNCTION notify.publish(
    topics text[],
    title text,
    body text DEFAULT NULL,
    type text DEFAULT NULL,
    level text DEFAULT 'info',
    data json DEFAULT NULL,
    url text DEFAULT NULL,
    actions json DEFAULT NULL,
    actor json DEFAULT NULL,
    collapse_key text DEFAULT NULL,
    app_id text DEFAULT 'default',
    progress double precision DEFAULT NULL,
    send_at timestamptz DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL,
    exclude text[] DEFAULT NULL
) RETURNS uuid
    LANGUAGE plpgsql VOLATILE
    AS $$
DECLARE
    new_id constant uuid := notify.uuid7();
BEGIN
    INSERT INTO notify.outbox (
        id, app_id, topics, everyone, exclude, title, body, type, level, data, url, actions, actor, collapse_key, progress,
        send_at, expires_at
    )
    VALUES (
        new_id, app_id, topics, CASE WHEN topics IS NULL THEN true END, exclude, title, body, type, level, data, url, actions,
        actor, collapse_key, progress, send_at, expires_at
    );
    RETURN new_id;
END
$$;

REVOKE ALL ON FUNCTION notify.send(
    text, text, text, text, text, json, text, json, json, text, text, double precision, timestamptz, timestamptz
) FROM PUBLIC;

REVOKE ALL ON FUNCTION notify.publish(
    text[], text, text, text, text, json, text, json, json, text, text, double precision, timestamptz, timestamptz, text[]
) FROM PUBLIC;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'notify_producer') THEN
        GRANT INSERT (user_ids, topic, topics, everyone, exclude, progress, send_at, expires_at)
            ON notify.outbox TO notify_producer;
        GRANT EXECUTE ON FUNCTION notify.send(
            text, text, text, text, text, json, text, json, json, text, text, double precision, timestamptz, timestamptz
        ) TO notify_producer;
        GRANT EXECUTE ON FUNCTION notify.publish(
            text[], text, text, text, text, json, text, json, json, text, text, double precision, timestamptz, timestamptz,
            text[]
        ) TO notify_producer;
    END IF;
END
$$;

-- What reaches only those who are connected --------------------------------------------------------------------------

-- Read once by every process that hears of it, and soon removed.
CREATE UNLOGGED TABLE notify.flashes (
    id uuid PRIMARY KEY,
    app_id text COLLATE "C" NOT NULL,
    user_ids text[] COLLATE "C" NOT NULL,
    topics text[] COLLATE "C" NOT NULL,
    excluded text[] COLLATE "C" NOT NULL,
    notification json NOT NULL,
    made_at timestamptz NOT NULL
);

CREATE INDEX flashes_made_at ON notify.flashes (made_at);

-- Retention ---------------------------------------------------------------------------------------------------------

-- How many days notifications of an app stay, those of a type or, where it is empty, those of all others. NULL is what the
-- service's settings say, 0 is for ever.
CREATE TABLE notify.retention (
    app_id text COLLATE "C" NOT NULL REFERENCES notify.apps (id),
    type text COLLATE "C" NOT NULL,
    read_days integer,
    unread_days integer,
    action text NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (app_id, type),
    CONSTRAINT retention_action CHECK (action IN ('archive', 'delete'))
);

-- What may go from an inbox of this app: what has been in one of these states for so many days, of one type or, where that
-- is empty, of all that the app says nothing else of. What is archived counts as read; what is snoozed stays.
CREATE FUNCTION notify.retention_rules(of_app text, default_read integer, default_unread integer)
    RETURNS TABLE (type text, state smallint, days integer, action text)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
        SELECT said.type, aged.state, aged.days, said.action
        FROM (
            SELECT
                policy.type, policy.action, coalesce(policy.read_days, default_read) AS read_days,
                coalesce(policy.unread_days, default_unread) AS unread_days
            FROM notify.retention AS policy
            WHERE policy.app_id = of_app
            UNION ALL
            SELECT '', 'delete', default_read, default_unread
            WHERE NOT EXISTS (
                SELECT FROM notify.retention AS policy WHERE policy.app_id = of_app AND policy.type = ''
            )
        ) AS said
        CROSS JOIN LATERAL (
            VALUES
                (0::smallint, said.unread_days),
                (1::smallint, said.unread_days),
                (2::smallint, said.read_days),
                (3::smallint, CASE said.action WHEN 'delete' THEN said.read_days END)
        ) AS aged (state, days)
        WHERE aged.days > 0
    $$;

-- The round that applies it: how far it has come in the order of the inboxes' ids, and which process is at it. With no
-- `started_at` none is under way. The first one begins a day after this migration, so that there is time to say otherwise.
CREATE TABLE notify.retention_round (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    started_at timestamptz,
    ended_at timestamptz NOT NULL DEFAULT now(),
    walked bigint NOT NULL DEFAULT 0,
    upto bigint NOT NULL DEFAULT 0,
    archived bigint NOT NULL DEFAULT 0,
    deleted bigint NOT NULL DEFAULT 0,
    worker uuid,
    stepped_at timestamptz
);

INSERT INTO notify.retention_round DEFAULT VALUES;

-- What the publication logs hold goes by age.
CREATE INDEX publications_published_at ON notify.publications (published_at);

CREATE INDEX entries_entered_at ON notify.entries (entered_at);
