-- open: makes the inbox of a user who shows up for the first time.
INSERT INTO notify.inboxes (app_id, user_id) VALUES ($1, $2) ON CONFLICT (app_id, user_id) DO NOTHING
