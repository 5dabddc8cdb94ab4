DROP FUNCTION notify.is_unsettled(text, text, bigint, bigint);

DROP FUNCTION notify.has_entries(text, text, bigint);

DROP INDEX notify.notifications_publication;

ALTER TABLE notify.notifications DROP COLUMN topic, DROP COLUMN publication_id;

ALTER TABLE notify.inboxes DROP COLUMN pulled;

DROP TABLE notify.entries, notify.publications, notify.logs, notify.subscriptions, notify.topics;
