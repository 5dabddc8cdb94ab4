-- follow: of many inboxes at once, where each stands and what changed in it past a position, in order, as it is now. A
-- position of NULL asks for no changes. The inbox's own id has a name of its own, since a change has an inbox_id too, which
-- is NULL where nothing changed.
SELECT
    wanted.place, inbox.id AS followed_id, store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread,
    inbox.unseen, inbox.total, inbox.due_at,
    inbox.due_at <= $3::timestamptz
        OR notify.is_unsettled(inbox.id, inbox.app_id, inbox.user_id, inbox.pulled, log.head) AS unsettled,
    changed.*
FROM unnest($1::text[], $2::text[], $4::bigint[], $5::integer[])
    WITH ORDINALITY AS wanted (app_id, user_id, after, most, place)
JOIN notify.inboxes AS inbox ON inbox.app_id = wanted.app_id AND inbox.user_id = wanted.user_id
LEFT JOIN notify.logs AS log ON log.app_id = inbox.app_id
CROSS JOIN notify.store
LEFT JOIN LATERAL (
    SELECT notification.*
    FROM notify.notifications AS notification
    WHERE notification.inbox_id = inbox.id AND notification.changed_position > wanted.after
    ORDER BY notification.changed_position
    LIMIT (SELECT wanted.most)
) AS changed ON true
ORDER BY wanted.place, changed.changed_position
