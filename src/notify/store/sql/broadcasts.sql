-- broadcasts: for each question the newest publications to everyone of its app, newest first, that are neither recalled nor
-- expired and do not leave its user out. Who was left out is told where no user is named.
SELECT
    asked.place, newest.id, newest.type, newest.level, newest.title, newest.body, newest.data, newest.url, newest.actions,
    newest.actor, newest.collapse_key, newest.progress, newest.expires_at, newest.published_at, newest.edited_at,
    CASE WHEN asked.user_id IS NULL THEN newest.excluded END AS excluded
FROM unnest($1::text[], $2::text[], $3::integer[]) WITH ORDINALITY AS asked (app_id, user_id, most, place)
CROSS JOIN LATERAL (
    SELECT *
    FROM notify.publications AS publication
    WHERE publication.app_id = asked.app_id
        AND publication.topics = '{}'
        AND publication.recalled_at IS NULL
        AND (publication.expires_at IS NULL OR publication.expires_at > $4::timestamptz)
        AND (asked.user_id IS NULL OR asked.user_id <> ALL (publication.excluded))
    ORDER BY publication.position DESC
    LIMIT asked.most
) AS newest
ORDER BY asked.place, newest.position DESC
