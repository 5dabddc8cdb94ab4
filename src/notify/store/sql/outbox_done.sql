-- outbox_done: removes what the same transaction has written, or what was over before it was sent, and keeps how it ended
-- for what was scheduled. An id that was sent once stays so.
WITH done AS (
    DELETE FROM notify.outbox WHERE id = ANY ($1::uuid[]) RETURNING id, app_id, send_at
)
INSERT INTO notify.releases AS release (id, app_id, is_sent, ended_at)
SELECT id, app_id, id <> ALL ($2::uuid[]), $3::timestamptz
FROM done
WHERE send_at IS NOT NULL
ON CONFLICT (id) DO UPDATE SET is_sent = release.is_sent OR excluded.is_sent, ended_at = excluded.ended_at
