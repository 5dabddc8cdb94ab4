-- session_extend: a session of this user may stay longer, never shorter, and goes by this token from then on; one without
-- an end stays as it is.
WITH found AS (
    SELECT session.id, session.expires_at, session.expires_at < to_timestamp($4::double precision) AS is_longer
    FROM notify.sessions AS session
    JOIN notify.processes AS process ON process.id = session.process_id AND process.alive_until > now()
    WHERE session.id = $1 AND session.app_id = $2 AND session.user_id = $3
    FOR UPDATE OF session
), extended AS (
    UPDATE notify.sessions AS session
    SET expires_at = to_timestamp($4), token_id = $5, key_id = NULL, issued_at = $6
    FROM found
    WHERE session.id = found.id AND found.is_longer
)
SELECT CASE WHEN is_longer THEN to_timestamp($4) ELSE expires_at END AS expires_at FROM found
