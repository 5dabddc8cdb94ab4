-- forget_flashes: what was for whoever was connected, and has been shown.
DELETE FROM notify.flashes
WHERE ctid = ANY (ARRAY (SELECT ctid FROM notify.flashes WHERE made_at < $1 ORDER BY made_at LIMIT $2))
    AND made_at < $1::timestamptz
