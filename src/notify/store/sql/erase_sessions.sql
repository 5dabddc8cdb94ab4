-- erase_sessions: what is left of connections that a user had when they all had to end.
WITH gone AS (
    DELETE FROM notify.sessions WHERE app_id = $1 AND user_id = $2 AND connected_at <= $3::timestamptz RETURNING id
)
SELECT count(*) AS removed FROM gone
