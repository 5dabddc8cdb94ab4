-- heads: where these inboxes stand now, to compare with what a process believes.
SELECT inbox.app_id, inbox.user_id, store.generation || inbox.epoch AS epoch, inbox.head
FROM unnest($1::text[], $2::text[]) AS wanted (app_id, user_id)
JOIN notify.inboxes AS inbox ON inbox.app_id = wanted.app_id AND inbox.user_id = wanted.user_id
CROSS JOIN notify.store
