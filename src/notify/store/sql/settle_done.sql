-- settle_done: these inboxes, which are locked, have everything up to where their logs stood, and what those who subscribed
-- late were to get of before.
WITH filled AS (
    UPDATE notify.inboxes AS inbox
    SET pulled = done.head
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS done (app_id, user_id, head)
    WHERE inbox.app_id = done.app_id AND inbox.user_id = done.user_id
)
UPDATE notify.subscriptions AS subscription
SET is_late = false
FROM unnest($4::text[], $5::text[], $6::text[]) AS late (app_id, user_id, topic)
WHERE subscription.app_id = late.app_id AND subscription.user_id = late.user_id AND subscription.topic = late.topic
