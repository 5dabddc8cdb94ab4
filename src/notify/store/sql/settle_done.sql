-- settle_done: these inboxes, which are locked, have everything up to where their logs stood.
UPDATE notify.inboxes AS inbox
SET pulled = done.head
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS done (app_id, user_id, head)
WHERE inbox.app_id = done.app_id AND inbox.user_id = done.user_id
