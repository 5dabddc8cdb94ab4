-- operation: a publication as it is now, and what became of it, counted among those who have it. How many a topic is for
-- is known, how many are everyone is not.
SELECT
    publication.id, publication.topics, publication.excluded, publication.type, publication.level, publication.title,
    publication.body, publication.data, publication.url, publication.actions, publication.actor,
    publication.collapse_key, publication.progress, publication.expires_at, publication.published_at,
    publication.edited_at, publication.recalled_at,
    CASE WHEN cardinality(publication.topics) > 0 THEN (
        SELECT count(DISTINCT subscription.user_id)
        FROM notify.subscriptions AS subscription
        WHERE subscription.app_id = publication.app_id
            AND subscription.topic = ANY ($3::text[])
            AND subscription.since < publication.position
            AND NOT subscription.user_id = ANY (publication.excluded)
    ) END AS audience,
    counted.pulled, counted.delivered, counted.seen, counted.read
FROM notify.publications AS publication
CROSS JOIN LATERAL (
    SELECT
        count(*) AS pulled,
        count(*) FILTER (WHERE EXISTS (
            SELECT FROM notify.acks WHERE acks.inbox_id = had.inbox_id AND acks.upto >= had.created_position
        )) AS delivered,
        count(had.seen_at) AS seen,
        count(had.read_at) AS read
    FROM notify.notifications AS had
    WHERE had.publication_id = publication.id
) AS counted
WHERE publication.id = $1 AND publication.app_id = $2
