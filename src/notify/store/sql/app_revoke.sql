-- app_revoke: ends the sessions of an app, wherever they are.
INSERT INTO notify.revocations (id, app_id, revoked_at) VALUES ($1, $2, now())
ON CONFLICT (id) DO NOTHING
