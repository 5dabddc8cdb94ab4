-- written: which of these creates are stored already, and where: asked after a connection was lost in COMMIT, with the
-- inboxes locked.
WITH asked AS (
    SELECT create_id, collapse_key, inbox.id AS inbox_id, store.generation || inbox.epoch AS epoch
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS a (create_id, app_id, user_id, collapse_key)
    JOIN notify.inboxes AS inbox ON inbox.app_id = a.app_id AND inbox.user_id = a.user_id, notify.store
)
SELECT asked.create_id, made.id, asked.epoch, made.created_position AS position
FROM asked
JOIN notify.notifications AS made ON made.id = asked.create_id
UNION ALL
SELECT asked.create_id, updated.id, asked.epoch, updated.arrived_position
FROM asked
JOIN notify.notifications AS updated ON updated.inbox_id = asked.inbox_id AND updated.collapse_key = asked.collapse_key
WHERE updated.collapsed_id = asked.create_id
