-- retention_take: this process is at the round from now on, over the inboxes that there are now if it begins `anew`.
UPDATE notify.retention_round
SET worker = $1,
    stepped_at = $2::timestamptz,
    started_at = CASE WHEN $3::boolean THEN $2 ELSE started_at END,
    walked = CASE WHEN $3 THEN 0 ELSE walked END,
    upto = CASE WHEN $3 THEN (SELECT coalesce(max(id), 0) FROM notify.inboxes) ELSE upto END,
    archived = CASE WHEN $3 THEN 0 ELSE archived END,
    deleted = CASE WHEN $3 THEN 0 ELSE deleted END
RETURNING started_at, ended_at, walked, upto, archived, deleted, worker, stepped_at
