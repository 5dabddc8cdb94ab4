-- list_by_type: the same as list, of one type.
SELECT
    store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread, inbox.unseen, inbox.total,
    listed.*
FROM notify.inboxes AS inbox
CROSS JOIN notify.store
LEFT JOIN LATERAL (
    SELECT newest.*
    FROM unnest($3::smallint[]) AS wanted (state)
    CROSS JOIN LATERAL (
        SELECT notification.*
        FROM notify.notifications AS notification
        WHERE notification.inbox_id = inbox.id
            AND notification.type = $8
            AND notification.state = wanted.state
            AND notification.arrived_at >= coalesce($5::timestamptz, '-infinity')
            AND (notification.arrived_at, notification.arrived_position)
                < (coalesce($6::timestamptz, 'infinity'), $7::bigint)
        ORDER BY notification.arrived_at DESC, notification.arrived_position DESC
        LIMIT (SELECT $4::integer)
    ) AS newest
    ORDER BY newest.arrived_at DESC, newest.arrived_position DESC
    LIMIT $4::integer
) AS listed ON true
WHERE inbox.app_id = $1 AND inbox.user_id = $2
ORDER BY listed.arrived_at DESC, listed.arrived_position DESC
