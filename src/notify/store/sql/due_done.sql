-- due_done: these inboxes, which are locked, are settled again when the next of what is in them expires or comes back.
UPDATE notify.inboxes AS inbox
SET due_at = least(
    (
        SELECT min(expires_at)
        FROM notify.notifications
        WHERE inbox_id = inbox.id AND deleted_at IS NULL AND expires_at IS NOT NULL
    ),
    (
        SELECT min(snoozed_until)
        FROM notify.notifications
        WHERE inbox_id = inbox.id AND deleted_at IS NULL AND snoozed_until IS NOT NULL
    )
)
FROM unnest($1::text[], $2::text[]) AS asked (app_id, user_id)
WHERE inbox.app_id = asked.app_id AND inbox.user_id = asked.user_id AND inbox.due_at <= $3::timestamptz
RETURNING inbox.app_id, inbox.user_id, inbox.due_at
