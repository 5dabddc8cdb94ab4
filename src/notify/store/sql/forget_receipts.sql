-- forget_receipts: exports and erasures that ended longer ago than anybody asks for.
DELETE FROM notify.operations
WHERE ctid = ANY (ARRAY (SELECT ctid FROM notify.operations WHERE ended_at < $1 ORDER BY ended_at LIMIT $2))
    AND ended_at < $1::timestamptz
