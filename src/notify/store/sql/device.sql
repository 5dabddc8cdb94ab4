-- device: up to where one device has acknowledged.
SELECT device.epoch, device.acked
FROM notify.inboxes AS inbox
JOIN notify.devices AS device ON device.inbox_id = inbox.id
WHERE inbox.app_id = $1 AND inbox.user_id = $2 AND device.name = $3
