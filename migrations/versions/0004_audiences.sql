-- Topics ------------------------------------------------------------------------------------------------------------

-- What an app says of a topic, or of all below one (`orders/*`). Topics need no row to be published to.
CREATE TABLE notify.topics (
    app_id text COLLATE "C" NOT NULL REFERENCES notify.apps (id),
    topic text COLLATE "C" NOT NULL,
    self_service boolean NOT NULL,
    late_entries integer,
    late_seconds integer,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (app_id, topic)
);

-- `since` is where the app's publication log stood: what is published from then on is for the subscriber. A late one has
-- entries from before coming, which the inbox has not been filled with yet although it may be filled up to later ones.
CREATE TABLE notify.subscriptions (
    app_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    since bigint NOT NULL,
    is_late boolean NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (app_id, user_id, topic)
);

CREATE INDEX subscriptions_topic ON notify.subscriptions (app_id, topic, user_id);

-- The publication logs, one of each app -----------------------------------------------------------------------------

CREATE TABLE notify.logs (
    app_id text COLLATE "C" PRIMARY KEY REFERENCES notify.apps (id),
    head bigint NOT NULL
) WITH (fillfactor = 50);

-- As it is now; an edit changes it, and is an entry of its own for those who have it already.
CREATE TABLE notify.publications (
    id uuid PRIMARY KEY,
    app_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    topics text[] COLLATE "C" NOT NULL,
    excluded text[] COLLATE "C" NOT NULL,
    type text COLLATE "C",
    level text NOT NULL,
    title text NOT NULL,
    body text,
    data json,
    url text,
    actions json,
    actor json,
    collapse_key text,
    published_at timestamptz NOT NULL,
    edited_at timestamptz,
    recalled_at timestamptz
);

CREATE UNIQUE INDEX publications_position ON notify.publications (app_id, position);

-- Each entry of a log under every key that a subscription may have for it; `*` is everyone.
CREATE TABLE notify.entries (
    app_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    publication_id uuid NOT NULL,
    change text NOT NULL,
    entered_at timestamptz NOT NULL,
    PRIMARY KEY (app_id, key, position),
    CONSTRAINT entries_change CHECK (change IN ('publish', 'edit', 'recall'))
);

-- Up to where in its app's log an inbox has been filled; NULL until its user shows up.
ALTER TABLE notify.inboxes ADD COLUMN pulled bigint;

ALTER TABLE notify.notifications ADD COLUMN topic text COLLATE "C", ADD COLUMN publication_id uuid;

CREATE UNIQUE INDEX notifications_publication ON notify.notifications (publication_id, inbox_id)
    WHERE publication_id IS NOT NULL;

-- Whether an app's log holds anything for a user past where the inbox was filled up to. Most readers need not look.
CREATE FUNCTION notify.has_entries(of_app text, of_user text, pulled bigint) RETURNS boolean
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
    );

CREATE FUNCTION notify.is_unsettled(of_app text, of_user text, pulled bigint, head bigint) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE
        WHEN pulled IS NULL THEN true
        WHEN pulled >= coalesce(head, 0) THEN false
        ELSE notify.has_entries(of_app, of_user, pulled)
    END;
