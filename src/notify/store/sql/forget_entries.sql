-- forget_entries: what has been in the publication logs for longer than anybody pulls it.
DELETE FROM notify.entries
WHERE ctid = ANY (ARRAY (SELECT ctid FROM notify.entries WHERE entered_at < $1 ORDER BY entered_at LIMIT $2))
    AND entered_at < $1::timestamptz
