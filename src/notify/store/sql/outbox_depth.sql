-- outbox_depth: how much is due and for how long, how much waits for later, and how much was set aside.
SELECT
    count(*) FILTER (WHERE is_due) AS waiting,
    count(*) FILTER (WHERE failed_at IS NULL AND NOT is_due) AS scheduled,
    count(*) FILTER (WHERE failed_at IS NOT NULL) AS failed,
    coalesce(
        extract(epoch FROM $1::timestamptz - min(coalesce(send_at, created_at)) FILTER (WHERE is_due)), 0
    )::float8 AS age_seconds
FROM notify.outbox
CROSS JOIN LATERAL (SELECT failed_at IS NULL AND (send_at IS NULL OR send_at <= $1) AS is_due) AS looked
