-- snapshots: of many inboxes at once, the newest unread ones, oldest first, with where each inbox stands, in one snapshot.
-- Read as in list. An inbox without any is not looked into.
SELECT
    wanted.place, store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread, inbox.unseen,
    inbox.total, inbox.due_at,
    inbox.due_at <= $3::timestamptz
        OR notify.is_unsettled(inbox.id, inbox.app_id, inbox.user_id, inbox.pulled, log.head) AS unsettled,
    listed.*
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (app_id, user_id, place)
JOIN notify.inboxes AS inbox ON inbox.app_id = wanted.app_id AND inbox.user_id = wanted.user_id
LEFT JOIN notify.logs AS log ON log.app_id = inbox.app_id
CROSS JOIN notify.store
LEFT JOIN LATERAL (
    SELECT newest.*
    FROM unnest($4::smallint[]) AS unread (state)
    CROSS JOIN LATERAL (
        SELECT notification.*
        FROM notify.notifications AS notification
        WHERE notification.inbox_id = inbox.id AND notification.state = unread.state AND inbox.unread > 0
        ORDER BY notification.arrived_at DESC, notification.arrived_position DESC
        LIMIT (SELECT $5::integer)
    ) AS newest
    ORDER BY newest.arrived_at DESC, newest.arrived_position DESC
    LIMIT $5::integer
) AS listed ON true
ORDER BY wanted.place, listed.arrived_at, listed.arrived_position
