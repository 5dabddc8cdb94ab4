-- export_inbox: where a user's inbox stands.
SELECT
    inbox.id::text AS after, true AS is_held, store.generation || inbox.epoch || '.' || inbox.head AS position,
    inbox.unread, inbox.unseen, inbox.total, inbox.due_at
FROM notify.inboxes AS inbox
CROSS JOIN notify.store
WHERE inbox.app_id = $1 AND inbox.user_id = $2 AND inbox.id > coalesce($3::text::bigint, 0)
ORDER BY inbox.id
LIMIT (SELECT $4::integer)
