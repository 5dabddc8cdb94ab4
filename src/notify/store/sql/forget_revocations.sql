-- forget_revocations: what was revoked so long ago that every process has heard of it.
DELETE FROM notify.revocations
WHERE ctid = ANY (ARRAY (SELECT ctid FROM notify.revocations WHERE revoked_at < $1 ORDER BY revoked_at LIMIT $2))
    AND revoked_at < $1::timestamptz
