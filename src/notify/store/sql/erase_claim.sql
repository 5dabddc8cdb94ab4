-- erase_claim: takes an erasure whose next phase is due, and which nobody is at or whoever was has left.
UPDATE notify.erasures
SET worker = $1, leased_until = $3::timestamptz
WHERE operation_id = (
    SELECT operation_id
    FROM notify.erasures
    WHERE due_at <= $2::timestamptz AND (leased_until > $2) IS NOT TRUE
    ORDER BY due_at
    LIMIT (SELECT 1)
    FOR UPDATE SKIP LOCKED
)
RETURNING operation_id, app_id, user_id, phase, inbox_ids, left_at
