-- export_subscriptions: what a user is subscribed to.
SELECT topic AS after, true AS is_held, topic, created_at
FROM notify.subscriptions
WHERE app_id = $1 AND user_id = $2 AND topic > coalesce($3::text, '')
ORDER BY topic
LIMIT (SELECT $4::integer)
