-- delivery: when a notification was first acknowledged by any device, and which devices have it.
SELECT
    (
        SELECT acked.acked_at
        FROM notify.acks AS acked
        WHERE acked.inbox_id = inbox.id AND acked.upto >= notification.created_position
        ORDER BY acked.upto
        LIMIT 1
    ) AS delivered_at,
    coalesce(
        (
            SELECT array_agg(device.name ORDER BY device.name)
            FROM notify.devices AS device
            WHERE device.inbox_id = inbox.id AND device.epoch = store.generation || inbox.epoch
                AND device.acked >= notification.created_position
        ),
        '{}'
    ) AS devices
FROM notify.notifications AS notification
JOIN notify.inboxes AS inbox ON inbox.id = notification.inbox_id
CROSS JOIN notify.store
WHERE notification.id = $1 AND inbox.app_id = $2 AND ($3::text IS NULL OR inbox.user_id = $3) AND notification.state < 5
