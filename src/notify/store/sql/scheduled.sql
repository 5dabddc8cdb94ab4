-- scheduled: what an app has scheduled and what is not over yet, past a place in the order of the times.
SELECT
    id, user_id, user_ids, topic, topics, exclude, title, body, type, level, data, url, actions, actor, collapse_key,
    progress, send_at, expires_at, created_at, failure
FROM notify.outbox
WHERE app_id = $1
    AND send_at IS NOT NULL
    AND (send_at, id) > ($2::timestamptz, $3::uuid)
ORDER BY send_at, id
LIMIT (SELECT $4::integer)
