-- erase_phase: an erasure goes on with another phase, from then on, whichever process is at it. `left_at` is when the first
-- one was over.
UPDATE notify.erasures
SET phase = $2::text, due_at = $3::timestamptz, left_at = coalesce(left_at, clock_timestamp()), worker = NULL,
    leased_until = NULL
WHERE operation_id = $1
