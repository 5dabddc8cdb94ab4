-- retention_step: how far the round has come, and whether that is its end.
UPDATE notify.retention_round
SET walked = $1,
    archived = archived + $2::integer,
    deleted = deleted + $3::integer,
    stepped_at = $4::timestamptz,
    started_at = CASE WHEN $5::boolean THEN NULL ELSE started_at END,
    ended_at = CASE WHEN $5 THEN $4 ELSE ended_at END
RETURNING started_at, ended_at, walked, upto, archived, deleted, worker, stepped_at
