-- session_extend: a session of this user may stay longer, never shorter; one without an end stays without.
UPDATE notify.sessions AS session
SET expires_at = CASE
    WHEN session.expires_at IS NOT NULL THEN greatest(session.expires_at, to_timestamp($4::double precision))
END
FROM notify.processes AS process
WHERE session.id = $1 AND session.app_id = $2 AND session.user_id = $3
    AND process.id = session.process_id AND process.alive_until > now()
RETURNING session.expires_at
