-- export_tickets: tickets that a user was given, of the last day. Of a ticket itself there is only a hash.
SELECT encode(hash, 'hex') AS after, true AS is_held, endpoint, origin, scopes, made_at, expires_at, spent_at
FROM notify.tickets
WHERE app_id = $1 AND user_id = $2 AND hash > decode(coalesce($3::text, ''), 'hex')
ORDER BY hash
LIMIT (SELECT $4::integer)
