-- forget_audit: acts of longer ago than anybody asks for.
DELETE FROM notify.audit
WHERE ctid = ANY (ARRAY (SELECT ctid FROM notify.audit WHERE at < $1 ORDER BY at LIMIT $2))
    AND at < $1::timestamptz
