-- outbox_fail: sets aside what can never be written, with the reason, so that nothing waits behind it.
UPDATE notify.outbox AS waiting
SET failed_at = $3::timestamptz, failure = failed.reason
FROM unnest($1::uuid[], $2::text[]) AS failed (id, reason)
WHERE waiting.id = failed.id
