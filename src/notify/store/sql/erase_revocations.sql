-- erase_revocations: that a user's connections had to end, once every process has heard of it.
WITH gone AS (
    DELETE FROM notify.revocations WHERE app_id = $1 AND user_id = $2 AND revoked_at <= $3::timestamptz RETURNING id
)
SELECT count(*) AS removed FROM gone
