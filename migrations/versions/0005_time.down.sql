DROP INDEX notify.entries_entered_at, notify.publications_published_at;

DROP FUNCTION notify.retention_rules(text, integer, integer);

DROP TABLE notify.retention_round, notify.retention, notify.flashes, notify.releases;

DROP FUNCTION notify.publish(
    text[], text, text, text, text, json, text, json, json, text, text, double precision, timestamptz, timestamptz, text[]
);

DROP FUNCTION notify.send(
    text, text, text, text, text, json, text, json, json, text, text, double precision, timestamptz, timestamptz
);

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
    new_id constant uuid := notify.uuid7();
BEGIN
    INSERT INTO notify.outbox (id, app_id, user_id, title, body, type, level, data, url, actions, actor, collapse_key)
    VALUES (new_id, app_id, user_id, title, body, type, level, data, url, actions, actor, collapse_key);
    RETURN new_id;
END
$$;

REVOKE ALL ON FUNCTION notify.send(text, text, text, text, text, json, text, json, json, text, text) FROM PUBLIC;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'notify_producer') THEN
        GRANT EXECUTE ON FUNCTION notify.send(text, text, text, text, text, json, text, json, json, text, text)
            TO notify_producer;
    END IF;
END
$$;

-- What only the newer schema can hold is lost: what waits for several, for topics or for later.
DELETE FROM notify.outbox WHERE user_id IS NULL OR send_at IS NOT NULL;

DROP INDEX notify.outbox_waiting, notify.outbox_scheduled;

ALTER TABLE notify.outbox
    DROP COLUMN user_ids,
    DROP COLUMN topic,
    DROP COLUMN topics,
    DROP COLUMN everyone,
    DROP COLUMN exclude,
    DROP COLUMN progress,
    DROP COLUMN send_at,
    DROP COLUMN expires_at,
    ALTER COLUMN user_id SET NOT NULL;

CREATE INDEX outbox_waiting ON notify.outbox (id) WHERE failed_at IS NULL;

DROP FUNCTION notify.is_unsettled(bigint, text, text, bigint, bigint);

DROP FUNCTION notify.has_entries(bigint, text, text, bigint);

UPDATE notify.entries SET change = 'edit' WHERE change = 'resurface';

INSERT INTO notify.entries (app_id, key, position, publication_id, change, entered_at)
SELECT DISTINCT changed.app_id, named.key, changed.position, changed.publication_id, changed.change, changed.entered_at
FROM notify.entries AS changed
JOIN notify.publications AS publication ON publication.id = changed.publication_id
CROSS JOIN LATERAL (
    SELECT '*' AS key
    WHERE publication.topics = '{}'
    UNION ALL
    SELECT topic
    FROM unnest(publication.topics) AS topic
    UNION ALL
    SELECT array_to_string(names[1:depth], '/') || '/*'
    FROM (SELECT string_to_array(topic, '/') AS names FROM unnest(publication.topics) AS topic) AS paths
    CROSS JOIN generate_series(1, cardinality(names) - 1) AS depth
) AS named
WHERE changed.key = '#';

DELETE FROM notify.entries WHERE key = '#';

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

ALTER TABLE notify.entries
    DROP CONSTRAINT entries_change,
    ADD CONSTRAINT entries_change CHECK (change IN ('publish', 'edit', 'recall'));

DROP INDEX notify.publications_to_everyone;

ALTER TABLE notify.publications DROP COLUMN progress, DROP COLUMN expires_at;

ALTER TABLE notify.inboxes DROP COLUMN due_at;

-- What is snoozed is archived: it keeps out of the inbox, and the counters stay right.
UPDATE notify.notifications
SET archived_at = snoozed_until, snoozed_until = NULL
WHERE snoozed_until IS NOT NULL AND deleted_at IS NULL;

DROP INDEX notify.notifications_listing_by_topic;

ALTER TABLE notify.notifications
    DROP COLUMN state,
    DROP COLUMN progress,
    DROP COLUMN expires_at,
    DROP COLUMN snoozed_until;

DROP FUNCTION notify.state_of(timestamptz, timestamptz, timestamptz, timestamptz, timestamptz);

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

ALTER TABLE notify.notifications ADD COLUMN state smallint NOT NULL
    GENERATED ALWAYS AS (notify.state_of(seen_at, read_at, archived_at, deleted_at)) STORED;

CREATE INDEX notifications_listing ON notify.notifications (inbox_id, state, arrived_at, arrived_position);

CREATE INDEX notifications_listing_by_type ON notify.notifications (inbox_id, type, state, arrived_at, arrived_position)
    WHERE type IS NOT NULL;

CREATE INDEX notifications_collapse ON notify.notifications (inbox_id, collapse_key, state) WHERE collapse_key IS NOT NULL;
