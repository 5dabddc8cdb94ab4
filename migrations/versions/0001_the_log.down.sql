-- The role stays: other databases of the cluster may use it.
DROP TABLE
    notify.outbox, notify.idempotency, notify.notifications, notify.type_counts, notify.inboxes, notify.store,
    notify.api_keys, notify.apps;

DROP FUNCTION notify.ring_outbox(),
    notify.send(text, text, text, text, text, json, text, json, json, text, text),
    notify.uuid7(),
    notify.state_of(timestamptz, timestamptz, timestamptz, timestamptz),
    notify.random_name(integer);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'notify_producer') THEN
        REVOKE USAGE ON SCHEMA notify FROM notify_producer;
    END IF;
END
$$;
