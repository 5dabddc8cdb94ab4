-- erase_seen: when a user was last there, unless they have come back.
WITH gone AS (
    DELETE FROM notify.seen
    WHERE app_id = $1
        AND user_id = $2
        AND NOT EXISTS (SELECT FROM notify.inboxes AS inbox WHERE inbox.app_id = $1 AND inbox.user_id = $2)
    RETURNING seen_at
)
SELECT count(*) AS removed FROM gone
