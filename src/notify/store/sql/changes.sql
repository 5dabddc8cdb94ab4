-- changes: what changed in an inbox after a position, in order, whole and as it is now, with where the inbox stands.
-- The limit is a subquery for the same reason as in list.
SELECT
    store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread, inbox.unseen, inbox.total,
    changed.*
FROM notify.inboxes AS inbox
CROSS JOIN notify.store
LEFT JOIN LATERAL (
    SELECT notification.*
    FROM notify.notifications AS notification
    WHERE notification.inbox_id = inbox.id AND notification.changed_position > $3::bigint
    ORDER BY notification.changed_position
    LIMIT (SELECT $4::integer)
) AS changed ON true
WHERE inbox.app_id = $1 AND inbox.user_id = $2
ORDER BY changed.changed_position
