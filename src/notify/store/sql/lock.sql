-- lock: makes the inboxes that are missing and locks all of them, in the one order (laws 1 and 2). Writes nothing else:
-- ON CONFLICT DO UPDATE locks the row even where its WHERE is false. Says which of the notifications it found, because
-- the inbox of one that is stored only now is not locked; and for which inboxes time has something to do, for others may
-- have done it before we had the lock.
WITH found AS (
    SELECT notification.id, owner.app_id, owner.user_id
    FROM notify.notifications AS notification
    JOIN notify.inboxes AS owner ON owner.id = notification.inbox_id
    WHERE notification.id = ANY ($3::uuid[])
), wanted AS (
    SELECT app_id COLLATE "C" AS app_id, user_id COLLATE "C" AS user_id
    FROM unnest($1::text[], $2::text[]) AS named (app_id, user_id)
    UNION
    SELECT app_id, user_id FROM found
), locked AS (
    INSERT INTO notify.inboxes AS inbox (app_id, user_id)
    SELECT app_id, user_id
    FROM wanted
    ORDER BY app_id, user_id
    ON CONFLICT (app_id, user_id) DO UPDATE SET head = inbox.head WHERE false
)
SELECT id, NULL AS app_id, NULL AS user_id
FROM found
UNION ALL
SELECT NULL, inbox.app_id, inbox.user_id
FROM wanted
JOIN notify.inboxes AS inbox USING (app_id, user_id)
WHERE inbox.due_at <= $4::timestamptz
