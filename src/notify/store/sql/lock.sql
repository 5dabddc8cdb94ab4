-- lock: makes the inboxes that are missing and locks all of them, in the one order (laws 1 and 2). Writes nothing else:
-- ON CONFLICT DO UPDATE locks the row even where its WHERE is false. Says which of the notifications it found, because
-- the inbox of one that is stored only now is not locked.
WITH found AS (
    SELECT notification.id, owner.app_id, owner.user_id
    FROM notify.notifications AS notification
    JOIN notify.inboxes AS owner ON owner.id = notification.inbox_id
    WHERE notification.id = ANY ($3::uuid[])
), locked AS (
    INSERT INTO notify.inboxes AS inbox (app_id, user_id)
    SELECT DISTINCT app_id, user_id
    FROM (
        SELECT app_id COLLATE "C" AS app_id, user_id COLLATE "C" AS user_id
        FROM unnest($1::text[], $2::text[]) AS named (app_id, user_id)
        UNION ALL
        SELECT app_id, user_id FROM found
    ) AS wanted
    ORDER BY app_id, user_id
    ON CONFLICT (app_id, user_id) DO UPDATE SET head = inbox.head WHERE false
)
SELECT id FROM found
