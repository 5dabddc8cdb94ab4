-- subscriptions_of: a user's subscriptions past a topic, by topic.
SELECT topic, user_id, created_at
FROM notify.subscriptions
WHERE app_id = $1 AND user_id = $2 AND topic > coalesce($3::text, '')
ORDER BY topic
LIMIT $4::integer
