-- erase_notifications: what was in inboxes that have ended.
WITH gone AS (
    DELETE FROM notify.notifications
    WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM notify.notifications WHERE inbox_id = ANY ($1::bigint[]) LIMIT (SELECT $2::integer)
    ))
        AND inbox_id = ANY ($1)
    RETURNING id
)
SELECT count(*) AS removed FROM gone
