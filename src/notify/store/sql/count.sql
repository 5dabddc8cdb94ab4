-- count: of many inboxes at once the counters, and those of the named types within each, looked up one by one. The types
-- of an inbox are a JSON array, since PostgreSQL knows no arrays of arrays of different lengths.
SELECT
    asked.place, store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread, inbox.unseen,
    inbox.total, inbox.due_at,
    inbox.due_at <= $3::timestamptz
        OR notify.is_unsettled(inbox.id, inbox.app_id, inbox.user_id, inbox.pulled, log.head) AS unsettled,
    counts.type, counts.unread AS type_unread, counts.unseen AS type_unseen, counts.total AS type_total
FROM unnest($1::text[], $2::text[], $4::text[]) WITH ORDINALITY AS asked (app_id, user_id, types, place)
JOIN notify.inboxes AS inbox ON inbox.app_id = asked.app_id AND inbox.user_id = asked.user_id
LEFT JOIN notify.logs AS log ON log.app_id = inbox.app_id
CROSS JOIN notify.store
LEFT JOIN LATERAL (
    SELECT found.*
    FROM json_array_elements_text(asked.types::json) AS wanted (type)
    CROSS JOIN LATERAL (
        SELECT * FROM notify.type_counts WHERE inbox_id = inbox.id AND type = wanted.type LIMIT 1
    ) AS found
) AS counts ON true
ORDER BY asked.place
