-- erase_tickets: tickets that a user was given before their connections had to end.
WITH gone AS (
    DELETE FROM notify.tickets WHERE app_id = $1 AND user_id = $2 AND made_at <= $3::timestamptz RETURNING hash
)
SELECT count(*) AS removed FROM gone
