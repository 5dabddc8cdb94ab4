-- forget_revoked_tokens: tokens revoked so long ago that they have expired.
DELETE FROM notify.revoked_tokens
WHERE ctid = ANY (ARRAY (SELECT ctid FROM notify.revoked_tokens WHERE revoked_at < $1 ORDER BY revoked_at LIMIT $2))
    AND revoked_at < $1::timestamptz
