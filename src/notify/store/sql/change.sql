-- change: marks, edits and deletes notifications whose inboxes are locked; each notification comes at most once. What is
-- already so takes no position. `mask` says which columns an edit sets. What resurfaces, or comes back from where it was
-- snoozed to, arrives again, as unread; by its trace what was written before a connection was lost is not done again.
WITH wish AS (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[], $7::integer[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::float8[]
    ) WITH ORDINALITY AS w (
        id, app_id, user_id, action, until, trace, mask, title, body, level, data, url, actions, actor, progress, place
    )
), target AS (
    SELECT
        wish.place, wish.until, was.id, was.inbox_id, was.type, was.state AS state_before, was.topic, was.collapse_key,
        was.created_at, was.arrived_at AS arrived_before, was.updated_at AS updated_before, was.expires_at,
        arrival.arrives,
        CASE WHEN resurfaces THEN coalesce(wish.trace, was.collapsed_id) ELSE was.collapsed_id END AS trace,
        CASE
            WHEN arrives THEN NULL
            WHEN action IN ('read', 'seen') THEN coalesce(was.seen_at, $16::timestamptz)
            WHEN resurfaces THEN NULL
            ELSE was.seen_at
        END AS seen_at,
        CASE
            WHEN arrives OR resurfaces OR action = 'unread' THEN NULL
            WHEN action = 'read' THEN coalesce(was.read_at, $16)
            ELSE was.read_at
        END AS read_at,
        CASE
            WHEN action = 'archive' THEN coalesce(was.archived_at, $16)
            WHEN resurfaces OR action IN ('unarchive', 'snooze') THEN NULL
            ELSE was.archived_at
        END AS archived_at,
        CASE
            WHEN action = 'snooze' THEN wish.until
            WHEN action IN ('unsnooze', 'archive', 'delete') THEN NULL
            ELSE was.snoozed_until
        END AS snoozed_until,
        CASE action WHEN 'delete' THEN coalesce(was.deleted_at, $16) END AS deleted_at,
        CASE WHEN action = 'delete' THEN '' WHEN mask & 1 <> 0 THEN wish.title ELSE was.title END AS title,
        CASE WHEN action = 'delete' THEN NULL WHEN mask & 2 <> 0 THEN wish.body ELSE was.body END AS body,
        CASE WHEN mask & 4 <> 0 THEN wish.level ELSE was.level END AS level,
        CASE WHEN action = 'delete' THEN NULL WHEN mask & 8 <> 0 THEN wish.data ELSE was.data::text END AS data,
        CASE WHEN action = 'delete' THEN NULL WHEN mask & 16 <> 0 THEN wish.url ELSE was.url END AS url,
        CASE WHEN action = 'delete' THEN NULL WHEN mask & 32 <> 0 THEN wish.actions ELSE was.actions::text END AS actions,
        CASE WHEN action = 'delete' THEN NULL WHEN mask & 64 <> 0 THEN wish.actor ELSE was.actor::text END AS actor,
        CASE WHEN action = 'delete' THEN NULL WHEN mask & 128 <> 0 THEN wish.progress ELSE was.progress END AS progress,
        was AS before
    FROM wish
    JOIN notify.notifications AS was ON was.id = wish.id
    JOIN notify.inboxes AS owner ON owner.id = was.inbox_id
    CROSS JOIN LATERAL (
        SELECT action = 'resurface' AND (was.collapsed_id = wish.trace) IS NOT TRUE AS resurfaces
    ) AS asked
    CROSS JOIN LATERAL (
        SELECT
            resurfaces AND was.snoozed_until IS NULL OR action = 'unsnooze' AND was.snoozed_until IS NOT NULL AS arrives
    ) AS arrival
    WHERE owner.app_id = wish.app_id
        AND (wish.user_id IS NULL OR owner.user_id = wish.user_id)
        AND (was.state < 5 OR wish.action = 'delete')
), changed AS (
    SELECT
        *,
        notify.state_of(seen_at, read_at, archived_at, snoozed_until, deleted_at) AS state_after,
        row_number() OVER (PARTITION BY inbox_id ORDER BY place) AS step
    FROM target
    WHERE arrives
        OR (
            seen_at, read_at, archived_at, snoozed_until, deleted_at, title, body, level, data, url, actions, actor, progress
        ) IS DISTINCT FROM (
            (before).seen_at, (before).read_at, (before).archived_at, (before).snoozed_until, (before).deleted_at,
            (before).title, (before).body, (before).level, (before).data::text, (before).url, (before).actions::text,
            (before).actor::text, (before).progress
        )
), moved AS (
    SELECT
        inbox_id,
        type,
        count(*) AS changes,
        sum((state_after < 2)::integer - (state_before < 2)::integer) AS unread,
        sum((state_after = 0)::integer - (state_before = 0)::integer) AS unseen,
        sum((state_after < 3)::integer - (state_before < 3)::integer) AS total,
        bool_or(arrives) AS arrives,
        min(until) AS until
    FROM changed
    GROUP BY inbox_id, type
), inbox AS (
    UPDATE notify.inboxes AS inbox
    SET head = inbox.head + sums.changes,
        unread = inbox.unread + sums.unread,
        unseen = inbox.unseen + sums.unseen,
        total = inbox.total + sums.total,
        arrived_at = CASE WHEN sums.arrives THEN greatest(inbox.arrived_at, $16) ELSE inbox.arrived_at END,
        due_at = least(inbox.due_at, sums.until)
    FROM (
        SELECT
            inbox_id, sum(changes)::bigint AS changes, sum(unread) AS unread, sum(unseen) AS unseen, sum(total) AS total,
            bool_or(arrives) AS arrives, min(until) AS until
        FROM moved
        GROUP BY inbox_id
    ) AS sums
    WHERE inbox.id = sums.inbox_id
    RETURNING inbox.*, inbox.head - sums.changes AS base
), counted AS (
    UPDATE notify.type_counts AS counts
    SET unread = counts.unread + moved.unread,
        unseen = counts.unseen + moved.unseen,
        total = counts.total + moved.total
    FROM moved
    WHERE counts.inbox_id = moved.inbox_id AND counts.type = moved.type
), updated AS (
    UPDATE notify.notifications AS notification
    SET changed_position = inbox.base + changed.step,
        arrived_position = CASE WHEN arrives THEN inbox.base + changed.step ELSE notification.arrived_position END,
        arrived_at = CASE WHEN arrives THEN inbox.arrived_at ELSE notification.arrived_at END,
        collapsed_id = changed.trace,
        title = changed.title,
        body = changed.body,
        level = changed.level,
        data = changed.data::json,
        url = changed.url,
        actions = changed.actions::json,
        actor = changed.actor::json,
        progress = changed.progress,
        seen_at = changed.seen_at,
        read_at = changed.read_at,
        archived_at = changed.archived_at,
        snoozed_until = changed.snoozed_until,
        deleted_at = changed.deleted_at,
        updated_at = $16
    FROM changed
    JOIN inbox ON inbox.id = changed.inbox_id
    WHERE notification.id = changed.id
)
SELECT
    target.place, target.id, owner.user_id, target.type, target.level, target.title, target.body, target.data, target.url,
    target.actions, target.actor, target.topic, target.collapse_key, target.progress, target.created_at, target.arrives,
    CASE WHEN target.arrives THEN inbox.arrived_at ELSE target.arrived_before END AS arrived_at,
    CASE WHEN changed.id IS NULL THEN target.updated_before ELSE $16 END AS updated_at,
    target.seen_at, target.read_at, target.archived_at, target.snoozed_until, target.expires_at,
    target.inbox_id,
    inbox.base + changed.step AS position,
    store.generation || owner.epoch AS epoch,
    owner.floor,
    coalesce(inbox.head, owner.head) AS head,
    coalesce(inbox.unread, owner.unread) AS unread,
    coalesce(inbox.unseen, owner.unseen) AS unseen,
    coalesce(inbox.total, owner.total) AS total,
    CASE WHEN inbox.id IS NULL THEN owner.due_at ELSE inbox.due_at END AS due_at
FROM target
JOIN notify.inboxes AS owner ON owner.id = target.inbox_id
LEFT JOIN inbox ON inbox.id = target.inbox_id
LEFT JOIN changed ON changed.id = target.id, notify.store
ORDER BY target.place
