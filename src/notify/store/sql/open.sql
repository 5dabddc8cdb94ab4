-- open: makes the inboxes of users who show up for the first time. Where nothing was ever published there is nothing to
-- fill them with.
INSERT INTO notify.inboxes (app_id, user_id, pulled)
SELECT named.app_id, named.user_id, CASE WHEN log.head IS NULL THEN 0 END
FROM (SELECT app_id COLLATE "C" AS app_id, user_id COLLATE "C" AS user_id FROM unnest($1::text[], $2::text[]) AS n (app_id, user_id)) AS named
LEFT JOIN notify.logs AS log ON log.app_id = named.app_id
ORDER BY named.app_id, named.user_id
ON CONFLICT (app_id, user_id) DO NOTHING
