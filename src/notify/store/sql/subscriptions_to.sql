-- subscriptions_to: the subscriptions to exactly this topic or pattern past a user, by user.
SELECT topic, user_id, created_at
FROM notify.subscriptions
WHERE app_id = $1 AND topic = $2 AND user_id > coalesce($3::text, '')
ORDER BY user_id
LIMIT $4::integer
