-- list: of many inboxes at once one page each, latest arrival first, with where the inbox stands, in one snapshot. Each
-- state is one range of an index, that of the topic or the type if one is named; the few newest of each are merged. The range ends
-- where the page before began to be older: one bound, because of two PostgreSQL would start at the wrong one. The limits
-- are subqueries because a planner that knows them may prefer to read and sort the whole of an inbox that it takes for an
-- average one.
SELECT
    asked.place, store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread, inbox.unseen,
    inbox.total, inbox.due_at,
    inbox.due_at <= $3::timestamptz
        OR notify.is_unsettled(inbox.id, inbox.app_id, inbox.user_id, inbox.pulled, log.head) AS unsettled,
    listed.*
FROM unnest(
    $1::text[], $2::text[], $4::text[], $5::integer[], $6::timestamptz[], $7::timestamptz[], $8::bigint[], $9::text[],
    $10::text[]
) WITH ORDINALITY AS asked (app_id, user_id, states, most, since, older_than, older_position, type, topic, place)
JOIN notify.inboxes AS inbox ON inbox.app_id = asked.app_id AND inbox.user_id = asked.user_id
LEFT JOIN notify.logs AS log ON log.app_id = inbox.app_id
CROSS JOIN notify.store
LEFT JOIN LATERAL (
    SELECT newest.*
    FROM unnest(asked.states::smallint[]) AS wanted (state)
    CROSS JOIN LATERAL (
        (
            SELECT notification.*
            FROM notify.notifications AS notification
            WHERE asked.type IS NULL
                AND asked.topic IS NULL
                AND notification.inbox_id = inbox.id
                AND notification.state = wanted.state
                AND notification.arrived_at >= coalesce(asked.since, '-infinity')
                AND (notification.arrived_at, notification.arrived_position)
                    < (coalesce(asked.older_than, 'infinity'), asked.older_position)
            ORDER BY notification.arrived_at DESC, notification.arrived_position DESC
            LIMIT (SELECT asked.most)
        )
        UNION ALL
        (
            SELECT notification.*
            FROM notify.notifications AS notification
            WHERE asked.topic IS NULL
                AND notification.inbox_id = inbox.id
                AND notification.type = asked.type
                AND notification.state = wanted.state
                AND notification.arrived_at >= coalesce(asked.since, '-infinity')
                AND (notification.arrived_at, notification.arrived_position)
                    < (coalesce(asked.older_than, 'infinity'), asked.older_position)
            ORDER BY notification.arrived_at DESC, notification.arrived_position DESC
            LIMIT (SELECT asked.most)
        )
        UNION ALL
        (
            SELECT notification.*
            FROM notify.notifications AS notification
            WHERE notification.inbox_id = inbox.id
                AND notification.topic = asked.topic
                AND notification.state = wanted.state
                AND (asked.type IS NULL OR notification.type = asked.type)
                AND notification.arrived_at >= coalesce(asked.since, '-infinity')
                AND (notification.arrived_at, notification.arrived_position)
                    < (coalesce(asked.older_than, 'infinity'), asked.older_position)
            ORDER BY notification.arrived_at DESC, notification.arrived_position DESC
            LIMIT (SELECT asked.most)
        )
    ) AS newest
    ORDER BY newest.arrived_at DESC, newest.arrived_position DESC
    LIMIT (SELECT asked.most)
) AS listed ON true
ORDER BY asked.place, listed.arrived_at DESC, listed.arrived_position DESC
