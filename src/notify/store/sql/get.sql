-- get: one notification of an app, of one user if one is named, with where its inbox stands.
SELECT
    inbox.user_id, store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread, inbox.unseen,
    inbox.total, inbox.due_at,
    inbox.due_at <= $4::timestamptz
        OR notify.is_unsettled(inbox.id, inbox.app_id, inbox.user_id, inbox.pulled, log.head) AS unsettled,
    notification.*
FROM notify.notifications AS notification
JOIN notify.inboxes AS inbox ON inbox.id = notification.inbox_id
LEFT JOIN notify.logs AS log ON log.app_id = inbox.app_id
CROSS JOIN notify.store
WHERE notification.id = $1
    AND inbox.app_id = $2
    AND ($3::text IS NULL OR inbox.user_id = $3)
    AND notification.state < 5
