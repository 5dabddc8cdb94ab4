-- inbox: of many inboxes at once where each stands, and its counters.
SELECT
    asked.place, store.generation || inbox.epoch AS epoch, inbox.floor, inbox.head, inbox.unread, inbox.unseen,
    inbox.total, inbox.due_at,
    inbox.due_at <= $3::timestamptz
        OR notify.is_unsettled(inbox.id, inbox.app_id, inbox.user_id, inbox.pulled, log.head) AS unsettled
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (app_id, user_id, place)
JOIN notify.inboxes AS inbox ON inbox.app_id = asked.app_id AND inbox.user_id = asked.user_id
LEFT JOIN notify.logs AS log ON log.app_id = inbox.app_id
CROSS JOIN notify.store
ORDER BY asked.place
