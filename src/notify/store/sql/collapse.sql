-- collapse: where a recipient has an unread notification with the same collapse key, updates the newest of those in place:
-- it arrives again. The inboxes are locked; each inbox and key comes at most once.
WITH wish AS (
    SELECT *
    FROM unnest(
        $1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::text[], $13::float8[], $14::timestamptz[], $16::text[], $17::uuid[]
    ) WITH ORDINALITY AS w (
        app_id, user_id, create_id, type, level, title, body, data, url, actions, actor, collapse_key, progress,
        expires_at, topic, publication_id, place
    )
), target AS (
    SELECT
        wish.*,
        inbox.id AS inbox_id,
        unread.id AS id,
        unread.type AS type_before,
        unread.state AS state_before,
        row_number() OVER (PARTITION BY inbox.id ORDER BY wish.place) AS step
    FROM wish
    JOIN notify.inboxes AS inbox ON inbox.app_id = wish.app_id AND inbox.user_id = wish.user_id
    CROSS JOIN LATERAL (
        SELECT id, type, state
        FROM notify.notifications
        WHERE inbox_id = inbox.id AND collapse_key = wish.collapse_key AND state < 2
        ORDER BY arrived_position DESC
        LIMIT 1
    ) AS unread
), inbox AS (
    UPDATE notify.inboxes AS inbox
    SET head = inbox.head + moved.changes,
        unseen = inbox.unseen + moved.unseen,
        arrived_at = greatest(inbox.arrived_at, $15::timestamptz),
        due_at = least(inbox.due_at, moved.expires_at)
    FROM (
        SELECT
            inbox_id, count(*) AS changes, count(*) FILTER (WHERE state_before = 1) AS unseen,
            min(expires_at) AS expires_at
        FROM target
        GROUP BY inbox_id
    ) AS moved
    WHERE inbox.id = moved.inbox_id
    RETURNING inbox.*, inbox.head - moved.changes AS base
), counted AS (
    INSERT INTO notify.type_counts AS counts (inbox_id, type, unread, unseen, total)
    SELECT inbox_id, type, sum(unread), sum(unseen), sum(total)
    FROM (
        SELECT inbox_id, type_before AS type, -1 AS unread, (state_before - 1)::integer AS unseen, -1 AS total
        FROM target
        UNION ALL
        SELECT inbox_id, type, 1, 1, 1
        FROM target
    ) AS moved
    WHERE type IS NOT NULL
    GROUP BY inbox_id, type
    ON CONFLICT (inbox_id, type) DO UPDATE SET
        unread = counts.unread + excluded.unread,
        unseen = counts.unseen + excluded.unseen,
        total = counts.total + excluded.total
), updated AS (
    UPDATE notify.notifications AS notification
    SET arrived_position = inbox.base + target.step,
        changed_position = inbox.base + target.step,
        collapsed_id = target.create_id,
        type = target.type,
        level = target.level,
        title = target.title,
        body = target.body,
        data = target.data::json,
        url = target.url,
        actions = target.actions::json,
        actor = target.actor::json,
        progress = target.progress,
        expires_at = target.expires_at,
        topic = target.topic,
        publication_id = target.publication_id,
        seen_at = NULL,
        arrived_at = inbox.arrived_at,
        updated_at = $15::timestamptz
    FROM target
    JOIN inbox ON inbox.id = target.inbox_id
    WHERE notification.id = target.id
)
SELECT
    target.place, target.id, target.inbox_id, store.generation || inbox.epoch AS epoch, inbox.base + target.step AS position,
    inbox.floor, inbox.head, inbox.unread, inbox.unseen, inbox.total, inbox.due_at
FROM target
JOIN inbox ON inbox.id = target.inbox_id, notify.store
ORDER BY target.place
