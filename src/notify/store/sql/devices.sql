-- devices: the named devices of a user past one of them, by name, with what each has acknowledged.
SELECT device.name, device.epoch, device.acked, device.seen_at, inbox.head - device.acked AS behind,
    store.generation || inbox.epoch AS current_epoch
FROM notify.inboxes AS inbox
JOIN notify.devices AS device ON device.inbox_id = inbox.id
CROSS JOIN notify.store
WHERE inbox.app_id = $1 AND inbox.user_id = $2 AND device.name > coalesce($3::text, '')
ORDER BY device.name
LIMIT $4::integer
