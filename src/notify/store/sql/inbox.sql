-- inbox: where an inbox stands, and its counters.
SELECT store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread, inbox.unseen, inbox.total
FROM notify.inboxes AS inbox, notify.store
WHERE inbox.app_id = $1 AND inbox.user_id = $2
