-- outbox_claim: takes the oldest rows that are due and that no other process is writing. What waits for later is where the
-- index ends, and never read. Whether one is due says the clock of the process, unless it is to be sent at once: that has
-- its time from the server. `known` ones were written before: an id is sent once. They are looked up one by one, where
-- EXISTS might be answered by reading all notifications.
SELECT
    waiting.id, waiting.app_id, waiting.user_id, waiting.user_ids, waiting.topic, waiting.topics, waiting.everyone,
    waiting.exclude, waiting.title, waiting.body, waiting.type, waiting.level, waiting.data, waiting.url, waiting.actions,
    waiting.actor, waiting.collapse_key, waiting.progress, waiting.send_at, waiting.expires_at,
    CASE
        WHEN waiting.user_id IS NOT NULL THEN
            (SELECT true FROM notify.notifications AS written WHERE written.id = waiting.id)
        WHEN waiting.user_ids IS NOT NULL THEN
            (SELECT release.is_sent FROM notify.releases AS release WHERE release.id = waiting.id)
        ELSE
            (SELECT true FROM notify.publications AS written WHERE written.id = waiting.id)
    END AS known
FROM notify.outbox AS waiting
WHERE waiting.failed_at IS NULL
    AND coalesce(waiting.send_at, waiting.created_at) <= greatest($1::timestamptz, statement_timestamp())
    AND (waiting.send_at IS NULL OR waiting.send_at <= $1)
ORDER BY coalesce(waiting.send_at, waiting.created_at), waiting.id
LIMIT (SELECT $2::integer)
FOR UPDATE OF waiting SKIP LOCKED
