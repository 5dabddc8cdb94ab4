-- export_devices: a user's named devices.
SELECT device.name AS after, true AS is_held, device.name, device.epoch, device.acked, device.seen_at
FROM notify.inboxes AS inbox
JOIN notify.devices AS device ON device.inbox_id = inbox.id
WHERE inbox.app_id = $1 AND inbox.user_id = $2 AND device.name > coalesce($3::text, '')
ORDER BY device.name
LIMIT (SELECT $4::integer)
