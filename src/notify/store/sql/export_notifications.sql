-- export_notifications: what is in a user's inbox, in whatever state, deleted ones too for as long as they are kept. In the
-- order of their latest changes, so that what changes meanwhile comes again and nothing is missed.
SELECT
    notification.changed_position::text AS after, true AS is_held, notification.id, type, level, title, body, data, url,
    actions, actor, topic, publication_id, collapse_key, progress, created_at, notification.arrived_at, updated_at, seen_at,
    read_at, archived_at, snoozed_until, expires_at, deleted_at
FROM notify.inboxes AS inbox
JOIN notify.notifications AS notification ON notification.inbox_id = inbox.id
WHERE inbox.app_id = $1 AND inbox.user_id = $2 AND notification.changed_position > coalesce($3::text::bigint, 0)
ORDER BY notification.changed_position
LIMIT (SELECT $4::integer)
