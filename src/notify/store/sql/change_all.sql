-- change_all: marks the oldest notifications of one inbox, at most $7 of them, that one read-all, seen-all or archive-all
-- still has to mark: in these states, of this type if one is named, arrived at or before $5. The inbox is locked. Of each
-- state the oldest few are enough, for what arrived by $5 comes before what did not. The limits are subqueries for the
-- same reason as in list.
WITH target AS (
    SELECT old.*, row_number() OVER (ORDER BY old.arrived_position) AS step
    FROM notify.inboxes AS owner
    CROSS JOIN unnest($3::smallint[]) AS wanted (state)
    CROSS JOIN LATERAL (
        (
            SELECT id, type, state, arrived_position, seen_at, read_at, archived_at
            FROM notify.notifications
            WHERE $4::text IS NULL AND inbox_id = owner.id AND state = wanted.state
            ORDER BY arrived_at, arrived_position
            LIMIT (SELECT $7::integer)
        )
        UNION ALL
        (
            SELECT id, type, state, arrived_position, seen_at, read_at, archived_at
            FROM notify.notifications
            WHERE inbox_id = owner.id AND type = $4 AND state = wanted.state
            ORDER BY arrived_at, arrived_position
            LIMIT (SELECT $7::integer)
        )
    ) AS old
    WHERE owner.app_id = $1 AND owner.user_id = $2 AND old.arrived_position <= $5::bigint
    ORDER BY old.arrived_position
    LIMIT $7::integer
), after AS (
    SELECT
        id, type, state, step,
        CASE WHEN $6 IN ('read', 'seen') THEN coalesce(seen_at, $8::timestamptz) ELSE seen_at END AS seen_at,
        CASE WHEN $6 = 'read' THEN $8 ELSE read_at END AS read_at,
        CASE WHEN $6 = 'archive' THEN $8 ELSE archived_at END AS archived_at
    FROM target
), moved AS (
    SELECT
        type,
        count(*) AS changes,
        sum((state_after < 2)::integer - (state < 2)::integer) AS unread,
        sum((state_after = 0)::integer - (state = 0)::integer) AS unseen,
        sum((state_after < 3)::integer - (state < 3)::integer) AS total
    FROM (SELECT *, notify.state_of(seen_at, read_at, archived_at, NULL, NULL) AS state_after FROM after) AS states
    GROUP BY type
), inbox AS (
    UPDATE notify.inboxes AS inbox
    SET head = inbox.head + sums.changes,
        unread = inbox.unread + sums.unread,
        unseen = inbox.unseen + sums.unseen,
        total = inbox.total + sums.total
    FROM (
        SELECT sum(changes)::bigint AS changes, sum(unread) AS unread, sum(unseen) AS unseen, sum(total) AS total FROM moved
    ) AS sums
    WHERE inbox.app_id = $1 AND inbox.user_id = $2 AND sums.changes > 0
    RETURNING inbox.*, inbox.head - sums.changes AS base
), counted AS (
    UPDATE notify.type_counts AS counts
    SET unread = counts.unread + moved.unread,
        unseen = counts.unseen + moved.unseen,
        total = counts.total + moved.total
    FROM moved, inbox
    WHERE counts.inbox_id = inbox.id AND counts.type = moved.type
), updated AS (
    UPDATE notify.notifications AS notification
    SET changed_position = inbox.base + after.step,
        seen_at = after.seen_at,
        read_at = after.read_at,
        archived_at = after.archived_at,
        updated_at = $8
    FROM after, inbox
    WHERE notification.id = after.id
)
SELECT
    (SELECT count(*) FROM target) AS changes,
    owner.id AS inbox_id,
    store.generation || owner.epoch AS epoch,
    owner.floor,
    coalesce(inbox.head, owner.head) AS head,
    coalesce(inbox.unread, owner.unread) AS unread,
    coalesce(inbox.unseen, owner.unseen) AS unseen,
    coalesce(inbox.total, owner.total) AS total,
    owner.due_at
FROM notify.inboxes AS owner
LEFT JOIN inbox ON inbox.id = owner.id, notify.store
WHERE owner.app_id = $1 AND owner.user_id = $2
