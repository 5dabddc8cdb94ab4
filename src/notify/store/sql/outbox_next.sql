-- outbox_next: when the first of what waits is due, which may be another process's just now. What is to be sent at once is
-- due whatever the clocks say, and has no time here.
SELECT send_at
FROM notify.outbox
WHERE failed_at IS NULL
ORDER BY coalesce(send_at, created_at), id
LIMIT (SELECT 1)
