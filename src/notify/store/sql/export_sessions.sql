-- export_sessions: a user's live connections.
SELECT id::text AS after, true AS is_held, id, transport, device, connected_at, expires_at
FROM notify.sessions
WHERE app_id = $1 AND user_id = $2 AND id > coalesce($3::text, '00000000-0000-0000-0000-000000000000')::uuid
ORDER BY id
LIMIT (SELECT $4::integer)
