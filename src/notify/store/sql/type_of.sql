-- type_of: of which type something of this app is, be it a notification, a publication or to be sent later.
SELECT notification.type
FROM notify.notifications AS notification
JOIN notify.inboxes AS inbox ON inbox.id = notification.inbox_id AND inbox.app_id = $1
WHERE notification.id = $2
UNION ALL
SELECT type FROM notify.publications WHERE app_id = $1 AND id = $2
UNION ALL
SELECT type FROM notify.outbox WHERE app_id = $1 AND id = $2
