-- subscribed: which of these users are subscribed to which of these topics and patterns.
SELECT user_id, topic
FROM notify.subscriptions
WHERE app_id = $1 AND user_id = ANY ($2::text[]) AND topic = ANY ($3::text[])
