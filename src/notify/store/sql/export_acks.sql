-- export_acks: when the acknowledgements of a user's devices first reached a position.
SELECT acks.upto::text AS after, true AS is_held, acks.upto, acks.acked_at
FROM notify.inboxes AS inbox
JOIN notify.acks ON acks.inbox_id = inbox.id
WHERE inbox.app_id = $1 AND inbox.user_id = $2 AND acks.upto > coalesce($3::text::bigint, 0)
ORDER BY acks.upto
LIMIT (SELECT $4::integer)
