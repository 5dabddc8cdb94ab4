-- retention_survey: how much in these inboxes has stayed long enough, by what says so, and when the oldest arrived.
SELECT
    inbox.app_id, rule.type, rule.state >= 2 AS is_read, rule.days, rule.action, count(*) AS rows,
    min(old.arrived_at) AS oldest
FROM notify.inboxes AS inbox
CROSS JOIN LATERAL notify.retention_rules(inbox.app_id, $4::integer, $5::integer) AS rule
CROSS JOIN LATERAL (
    SELECT notification.arrived_at
    FROM notify.notifications AS notification
    WHERE rule.type = ''
        AND notification.inbox_id = inbox.id
        AND notification.state = rule.state
        AND notification.arrived_at < $3::timestamptz - rule.days * interval '24 hours'
        AND NOT EXISTS (
            SELECT FROM notify.retention AS own WHERE own.app_id = inbox.app_id AND own.type = notification.type
        )
    UNION ALL
    SELECT notification.arrived_at
    FROM notify.notifications AS notification
    WHERE rule.type <> ''
        AND notification.inbox_id = inbox.id
        AND notification.type = rule.type
        AND notification.state = rule.state
        AND notification.arrived_at < $3 - rule.days * interval '24 hours'
) AS old
WHERE inbox.id > $1::bigint AND inbox.id <= $2::bigint
GROUP BY inbox.app_id, rule.type, rule.state >= 2, rule.days, rule.action
