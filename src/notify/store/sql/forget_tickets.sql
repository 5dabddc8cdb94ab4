-- forget_tickets: tickets made so long ago that nobody need be told any more that they are spent.
DELETE FROM notify.tickets
WHERE ctid = ANY (ARRAY (SELECT ctid FROM notify.tickets WHERE made_at < $1 ORDER BY made_at LIMIT $2))
    AND made_at < $1::timestamptz
