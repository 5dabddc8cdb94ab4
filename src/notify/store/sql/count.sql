-- count: the counters of an inbox, and those of the named types within it.
SELECT
    store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread, inbox.unseen, inbox.total,
    counts.type, counts.unread AS type_unread, counts.unseen AS type_unseen, counts.total AS type_total
FROM notify.inboxes AS inbox
CROSS JOIN notify.store
LEFT JOIN notify.type_counts AS counts ON counts.inbox_id = inbox.id AND counts.type = ANY ($3::text[])
WHERE inbox.app_id = $1 AND inbox.user_id = $2
