-- retention_find: what has stayed long enough in these inboxes, at most so much, inbox by inbox in the order of their ids.
-- Each state is one range of an index, of each type that its app says something of as of all others. The limits within are
-- subqueries for the same reason as in list; the last is not, so that no more inboxes are looked into than are needed.
SELECT inbox.id AS inbox_id, inbox.app_id, old.id, old.state, old.arrived_at, rule.action
FROM notify.inboxes AS inbox
CROSS JOIN LATERAL notify.retention_rules(inbox.app_id, $4::integer, $5::integer) AS rule
CROSS JOIN LATERAL (
    (
        SELECT notification.id, notification.state, notification.arrived_at
        FROM notify.notifications AS notification
        WHERE rule.type = ''
            AND notification.inbox_id = inbox.id
            AND notification.state = rule.state
            AND notification.arrived_at < $3::timestamptz - rule.days * interval '24 hours'
            AND NOT EXISTS (
                SELECT FROM notify.retention AS own WHERE own.app_id = inbox.app_id AND own.type = notification.type
            )
        ORDER BY notification.arrived_at
        LIMIT (SELECT $6::integer)
    )
    UNION ALL
    (
        SELECT notification.id, notification.state, notification.arrived_at
        FROM notify.notifications AS notification
        WHERE rule.type <> ''
            AND notification.inbox_id = inbox.id
            AND notification.type = rule.type
            AND notification.state = rule.state
            AND notification.arrived_at < $3 - rule.days * interval '24 hours'
        ORDER BY notification.arrived_at
        LIMIT (SELECT $6::integer)
    )
) AS old
WHERE inbox.id > $1::bigint AND inbox.id <= $2::bigint
ORDER BY inbox.id
LIMIT $6::integer
