-- count: the counters of an inbox, and those of the named types within it, looked up one by one.
SELECT
    store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread, inbox.unseen, inbox.total,
    counts.type, counts.unread AS type_unread, counts.unseen AS type_unseen, counts.total AS type_total
FROM notify.inboxes AS inbox
CROSS JOIN notify.store
LEFT JOIN (
    unnest($3::text[]) AS wanted (type)
    CROSS JOIN LATERAL (
        SELECT * FROM notify.type_counts AS counts WHERE inbox_id = inbox.id AND type = wanted.type LIMIT 1
    ) AS counts
) ON true
WHERE inbox.app_id = $1 AND inbox.user_id = $2
