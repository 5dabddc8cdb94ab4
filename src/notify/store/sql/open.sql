-- open: makes the inboxes of users who show up for the first time.
INSERT INTO notify.inboxes (app_id, user_id)
SELECT app_id, user_id
FROM (SELECT app_id COLLATE "C" AS app_id, user_id COLLATE "C" AS user_id FROM unnest($1::text[], $2::text[]) AS n (app_id, user_id)) AS named
ORDER BY app_id, user_id
ON CONFLICT (app_id, user_id) DO NOTHING
