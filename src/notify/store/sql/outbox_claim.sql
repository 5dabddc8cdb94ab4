-- outbox_claim: takes the oldest rows that no other process is writing. `known` ones were written before: an id is sent
-- once. They are looked up one by one, where EXISTS might be answered by reading all notifications.
SELECT
    waiting.id, waiting.app_id, waiting.user_id, waiting.title, waiting.body, waiting.type, waiting.level, waiting.data,
    waiting.url, waiting.actions, waiting.actor, waiting.collapse_key,
    (SELECT true FROM notify.notifications AS written WHERE written.id = waiting.id) AS known
FROM notify.outbox AS waiting
WHERE waiting.failed_at IS NULL
ORDER BY waiting.id
LIMIT $1
FOR UPDATE SKIP LOCKED
