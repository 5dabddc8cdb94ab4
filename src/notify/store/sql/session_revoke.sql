-- session_revoke: ends a session of this app, wherever it is. Says so again when repeated.
WITH ended AS (
    DELETE FROM notify.sessions AS session
    USING notify.processes AS process
    WHERE session.id = $3 AND session.app_id = $2
        AND process.id = session.process_id AND process.alive_until > now()
    RETURNING session.id
), noted AS (
    INSERT INTO notify.revocations (id, app_id, session_id, revoked_at)
    SELECT $1, $2, id, now() FROM ended
    RETURNING id
)
SELECT id FROM noted
UNION ALL
SELECT id FROM notify.revocations WHERE id = $1
