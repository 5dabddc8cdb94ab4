-- change: marks, edits and deletes notifications whose inboxes are locked; each notification comes at most once. What is
-- already so takes no position. `mask` says which columns an edit sets.
WITH wish AS (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::text[]
    ) WITH ORDINALITY AS w (
        id, app_id, user_id, action, mask, title, body, level, data, url, actions, actor, place
    )
), target AS (
    SELECT
        wish.place, was.id, was.inbox_id, was.type, was.state AS state_before, was.topic, was.collapse_key, was.created_at,
        was.arrived_at, was.updated_at AS updated_before,
        CASE WHEN action IN ('read', 'seen') THEN coalesce(was.seen_at, $13::timestamptz) ELSE was.seen_at END AS seen_at,
        CASE action WHEN 'read' THEN coalesce(was.read_at, $13) WHEN 'unread' THEN NULL ELSE was.read_at END AS read_at,
        CASE action WHEN 'archive' THEN coalesce(was.archived_at, $13) WHEN 'unarchive' THEN NULL ELSE was.archived_at END
            AS archived_at,
        CASE action WHEN 'delete' THEN coalesce(was.deleted_at, $13) END AS deleted_at,
        CASE WHEN action = 'delete' THEN '' WHEN mask & 1 <> 0 THEN wish.title ELSE was.title END AS title,
        CASE WHEN action = 'delete' THEN NULL WHEN mask & 2 <> 0 THEN wish.body ELSE was.body END AS body,
        CASE WHEN mask & 4 <> 0 THEN wish.level ELSE was.level END AS level,
        CASE WHEN action = 'delete' THEN NULL WHEN mask & 8 <> 0 THEN wish.data ELSE was.data::text END AS data,
        CASE WHEN action = 'delete' THEN NULL WHEN mask & 16 <> 0 THEN wish.url ELSE was.url END AS url,
        CASE WHEN action = 'delete' THEN NULL WHEN mask & 32 <> 0 THEN wish.actions ELSE was.actions::text END AS actions,
        CASE WHEN action = 'delete' THEN NULL WHEN mask & 64 <> 0 THEN wish.actor ELSE was.actor::text END AS actor,
        was AS before
    FROM wish
    JOIN notify.notifications AS was ON was.id = wish.id
    JOIN notify.inboxes AS owner ON owner.id = was.inbox_id
    WHERE owner.app_id = wish.app_id
        AND (wish.user_id IS NULL OR owner.user_id = wish.user_id)
        AND (was.state < 4 OR wish.action = 'delete')
), changed AS (
    SELECT
        *,
        notify.state_of(seen_at, read_at, archived_at, deleted_at) AS state_after,
        row_number() OVER (PARTITION BY inbox_id ORDER BY place) AS step
    FROM target
    WHERE (seen_at, read_at, archived_at, deleted_at, title, body, level, data, url, actions, actor) IS DISTINCT FROM (
        (before).seen_at, (before).read_at, (before).archived_at, (before).deleted_at, (before).title, (before).body,
        (before).level, (before).data::text, (before).url, (before).actions::text, (before).actor::text
    )
), moved AS (
    SELECT
        inbox_id,
        type,
        count(*) AS changes,
        sum((state_after < 2)::integer - (state_before < 2)::integer) AS unread,
        sum((state_after = 0)::integer - (state_before = 0)::integer) AS unseen,
        sum((state_after < 3)::integer - (state_before < 3)::integer) AS total
    FROM changed
    GROUP BY inbox_id, type
), inbox AS (
    UPDATE notify.inboxes AS inbox
    SET head = inbox.head + sums.changes,
        unread = inbox.unread + sums.unread,
        unseen = inbox.unseen + sums.unseen,
        total = inbox.total + sums.total
    FROM (
        SELECT inbox_id, sum(changes)::bigint AS changes, sum(unread) AS unread, sum(unseen) AS unseen, sum(total) AS total
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
        title = changed.title,
        body = changed.body,
        level = changed.level,
        data = changed.data::json,
        url = changed.url,
        actions = changed.actions::json,
        actor = changed.actor::json,
        seen_at = changed.seen_at,
        read_at = changed.read_at,
        archived_at = changed.archived_at,
        deleted_at = changed.deleted_at,
        updated_at = $13
    FROM changed
    JOIN inbox ON inbox.id = changed.inbox_id
    WHERE notification.id = changed.id
)
SELECT
    target.place, target.id, owner.user_id, target.type, target.level, target.title, target.body, target.data, target.url,
    target.actions, target.actor, target.topic, target.collapse_key, target.created_at, target.arrived_at,
    CASE WHEN changed.id IS NULL THEN target.updated_before ELSE $13 END AS updated_at,
    target.seen_at, target.read_at, target.archived_at,
    target.inbox_id,
    inbox.base + changed.step AS position,
    store.generation || owner.epoch AS epoch,
    owner.floor,
    coalesce(inbox.head, owner.head) AS head,
    coalesce(inbox.unread, owner.unread) AS unread,
    coalesce(inbox.unseen, owner.unseen) AS unseen,
    coalesce(inbox.total, owner.total) AS total
FROM target
JOIN notify.inboxes AS owner ON owner.id = target.inbox_id
LEFT JOIN inbox ON inbox.id = target.inbox_id
LEFT JOIN changed ON changed.id = target.id, notify.store
ORDER BY target.place
