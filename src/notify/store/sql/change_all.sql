-- change_all: marks the oldest notifications of one inbox, at most $8 of them, that one read-all, seen-all or archive-all
-- still has to mark: in these states, of this type if one is named, arrived at or before $5, created at or before $6.
-- The inbox is locked.
WITH target AS (
    SELECT old.id, old.type, old.state, row_number() OVER (ORDER BY old.arrived_position) AS step
    FROM notify.inboxes AS owner
    CROSS JOIN unnest($3::smallint[]) AS wanted (state)
    CROSS JOIN LATERAL (
        SELECT id, type, state, arrived_position
        FROM notify.notifications
        WHERE inbox_id = owner.id
            AND state = wanted.state
            AND ($4::text IS NULL OR type = $4)
            AND arrived_position <= $5::bigint
            AND created_position <= $6::bigint
        ORDER BY arrived_at, arrived_position
        LIMIT $8::integer
    ) AS old
    WHERE owner.app_id = $1 AND owner.user_id = $2
    ORDER BY old.arrived_position
    LIMIT $8::integer
), after AS (
    SELECT
        target.*,
        CASE WHEN $7 IN ('read', 'seen') THEN coalesce(was.seen_at, $9::timestamptz) ELSE was.seen_at END AS seen_at,
        CASE WHEN $7 = 'read' THEN $9 ELSE was.read_at END AS read_at,
        CASE WHEN $7 = 'archive' THEN $9 ELSE was.archived_at END AS archived_at
    FROM target
    JOIN notify.notifications AS was USING (id)
), moved AS (
    SELECT
        type,
        count(*) AS changes,
        sum((state_after < 2)::integer - (state < 2)::integer) AS unread,
        sum((state_after = 0)::integer - (state = 0)::integer) AS unseen,
        sum((state_after < 3)::integer - (state < 3)::integer) AS total
    FROM (SELECT *, notify.state_of(seen_at, read_at, archived_at, NULL) AS state_after FROM after) AS states
    GROUP BY type
), inbox AS (
    UPDATE notify.inboxes AS inbox
    SET head = inbox.head + sums.changes,
        unread = inbox.unread + sums.unread,
        unseen = inbox.unseen + sums.unseen,
        total = inbox.total + sums.total
    FROM (
        SELECT sum(changes) AS changes, sum(unread) AS unread, sum(unseen) AS unseen, sum(total) AS total FROM moved
    ) AS sums
    WHERE inbox.app_id = $1 AND inbox.user_id = $2 AND sums.changes > 0
    RETURNING inbox.id, inbox.head, inbox.head - sums.changes AS base
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
        updated_at = $9
    FROM after, inbox
    WHERE notification.id = after.id
)
SELECT (SELECT count(*) FROM target) AS changes, store.generation || owner.epoch AS epoch, coalesce(inbox.head, owner.head) AS head
FROM notify.inboxes AS owner
LEFT JOIN inbox ON inbox.id = owner.id, notify.store
WHERE owner.app_id = $1 AND owner.user_id = $2
