-- session_list: the live sessions of a user past one of them, oldest first.
SELECT session.id, session.user_id, session.transport, session.device, session.connected_at, session.expires_at
FROM notify.sessions AS session
JOIN notify.processes AS process ON process.id = session.process_id AND process.alive_until > now()
WHERE session.app_id = $1 AND session.user_id = $2 AND ($3::uuid IS NULL OR session.id > $3)
ORDER BY session.id
LIMIT $4::integer
