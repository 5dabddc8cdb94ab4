-- get: one notification of an app, of one user if one is named, with where its inbox stands.
SELECT
    inbox.user_id, store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread, inbox.unseen,
    inbox.total, notification.*
FROM notify.notifications AS notification
JOIN notify.inboxes AS inbox ON inbox.id = notification.inbox_id, notify.store
WHERE notification.id = $1
    AND inbox.app_id = $2
    AND ($3::text IS NULL OR inbox.user_id = $3)
    AND notification.state < 4
