-- scheduled_cancel: takes out what was to be sent later, and keeps that it ended so. Waits for whoever is just sending it.
WITH cancelled AS (
    DELETE FROM notify.outbox WHERE id = $1 AND app_id = $2 AND send_at IS NOT NULL RETURNING id, app_id
)
INSERT INTO notify.releases AS release (id, app_id, is_sent, ended_at)
SELECT id, app_id, false, $3::timestamptz
FROM cancelled
ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at
RETURNING is_sent
