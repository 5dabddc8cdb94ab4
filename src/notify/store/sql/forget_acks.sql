-- forget_acks: when positions were first acknowledged, longer ago than anybody asks for.
DELETE FROM notify.acks
WHERE ctid = ANY (ARRAY (SELECT ctid FROM notify.acks WHERE acked_at < $1 ORDER BY acked_at LIMIT $2))
    AND acked_at < $1::timestamptz
