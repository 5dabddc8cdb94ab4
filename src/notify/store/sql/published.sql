-- published: which of these publications are in their logs already, and where those stand: asked after a connection was lost
-- in COMMIT, with the logs locked.
SELECT publication.id, log.app_id, log.head
FROM notify.publications AS publication
JOIN notify.logs AS log ON log.app_id = publication.app_id
WHERE publication.id = ANY ($1::uuid[])
