-- heads: where these inboxes stand now, to compare with what a process believes.
SELECT inbox.app_id, inbox.user_id, store.generation || inbox.epoch AS epoch, inbox.head, inbox.due_at,
    inbox.due_at <= $3::timestamptz
        OR notify.is_unsettled(inbox.id, inbox.app_id, inbox.user_id, inbox.pulled, log.head) AS unsettled
FROM unnest($1::text[], $2::text[]) AS wanted (app_id, user_id)
JOIN notify.inboxes AS inbox ON inbox.app_id = wanted.app_id AND inbox.user_id = wanted.user_id
LEFT JOIN notify.logs AS log ON log.app_id = inbox.app_id
CROSS JOIN notify.store
