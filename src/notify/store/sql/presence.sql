-- presence: which of these users are there, with what, and when they were last seen. What is of a dead process and not yet
-- cleared up tells until when that one lived.
SELECT wanted.user_id, here.connections, here.devices,
    CASE WHEN here.connections > 0 THEN now() ELSE greatest(seen.seen_at, here.seen_at) END AS last_seen_at
FROM unnest($2::text[]) WITH ORDINALITY AS wanted (user_id, place)
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE process.alive_until > now())::integer AS connections,
        coalesce(
            array_agg(DISTINCT session.device)
                FILTER (WHERE process.alive_until > now() AND session.device IS NOT NULL),
            '{}'
        ) AS devices,
        max(process.seen_at) AS seen_at
    FROM notify.sessions AS session
    JOIN notify.processes AS process ON process.id = session.process_id
    WHERE session.app_id = $1 AND session.user_id = wanted.user_id COLLATE "C"
) AS here
LEFT JOIN notify.seen ON seen.app_id = $1 AND seen.user_id = wanted.user_id COLLATE "C"
ORDER BY wanted.place
