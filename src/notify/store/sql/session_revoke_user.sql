-- session_revoke_user: ends the sessions of a user, wherever they are, also those that have no row yet.
WITH ended AS (
    SELECT id FROM notify.sessions WHERE app_id = $2 AND user_id = $3 ORDER BY id FOR UPDATE
), gone AS (
    DELETE FROM notify.sessions WHERE id IN (SELECT id FROM ended)
)
INSERT INTO notify.revocations (id, app_id, user_id, revoked_at) VALUES ($1, $2, $3, now())
ON CONFLICT (id) DO NOTHING
