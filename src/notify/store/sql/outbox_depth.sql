-- outbox_depth: how much waits, for how long, and how much was set aside.
SELECT
    count(*) FILTER (WHERE failed_at IS NULL) AS waiting,
    count(*) FILTER (WHERE failed_at IS NOT NULL) AS failed,
    coalesce(extract(epoch FROM $1::timestamptz - min(created_at) FILTER (WHERE failed_at IS NULL)), 0)::float8 AS age_seconds
FROM notify.outbox
