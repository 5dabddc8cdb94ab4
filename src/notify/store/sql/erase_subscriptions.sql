-- erase_subscriptions: a user's subscriptions.
WITH gone AS (
    DELETE FROM notify.subscriptions
    WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM notify.subscriptions WHERE app_id = $1 AND user_id = $2 LIMIT (SELECT $3::integer)
    ))
        AND app_id = $1
        AND user_id = $2
    RETURNING topic
)
SELECT count(*) AS removed FROM gone
