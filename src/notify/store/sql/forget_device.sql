-- forget_device: a device that is not used any more.
DELETE FROM notify.devices AS device
USING notify.inboxes AS inbox
WHERE device.inbox_id = inbox.id AND inbox.app_id = $1 AND inbox.user_id = $2 AND device.name = $3
RETURNING device.name
