-- written: which of these creates are stored already, and where: asked after a connection was lost in COMMIT, with the
-- inboxes locked. Where another create has collapsed into the same notification since, its trace is gone, and the newest
-- with that key stands for it, without certainty.
WITH asked AS (
    SELECT create_id, inbox.id AS inbox_id, collapse_key
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS a (create_id, app_id, user_id, collapse_key)
    JOIN notify.inboxes AS inbox ON inbox.app_id = a.app_id AND inbox.user_id = a.user_id
), found AS (
    SELECT asked.create_id, asked.inbox_id, made.id, made.created_position AS position, true AS is_certain
    FROM asked
    JOIN notify.notifications AS made ON made.id = asked.create_id
    UNION ALL
    SELECT asked.create_id, asked.inbox_id, updated.id, updated.arrived_position, true
    FROM asked
    JOIN notify.notifications AS updated
        ON updated.inbox_id = asked.inbox_id AND updated.collapse_key = asked.collapse_key
    WHERE updated.collapsed_id = asked.create_id
    UNION ALL
    SELECT asked.create_id, asked.inbox_id, newest.id, newest.arrived_position, false
    FROM asked
    CROSS JOIN LATERAL (
        SELECT id, arrived_position
        FROM notify.notifications
        WHERE inbox_id = asked.inbox_id AND collapse_key = asked.collapse_key
        ORDER BY arrived_position DESC
        LIMIT 1
    ) AS newest
)
SELECT
    found.*, store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread, inbox.unseen, inbox.total,
    inbox.due_at
FROM found
JOIN notify.inboxes AS inbox ON inbox.id = found.inbox_id, notify.store
ORDER BY is_certain
