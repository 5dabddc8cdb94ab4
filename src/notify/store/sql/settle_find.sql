-- settle_find: what the publication logs hold for these inboxes, which are locked, past where each was filled up to: of each
-- the newest publications, and whatever was edited or recalled of what it has, however much else the log holds. Where the
-- user shows up for the first time, of what is for everyone only the last few.
SELECT
    asked.place, coalesce(log.head, 0) AS log_head, entry.position, entry.publication_id, entry.change, entry.key,
    entry.notification_id,
    ARRAY(
        SELECT topic
        FROM notify.subscriptions AS late
        WHERE late.app_id = inbox.app_id AND late.user_id = inbox.user_id AND late.is_late
    ) AS late_topics
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (app_id, user_id, place)
JOIN notify.inboxes AS inbox ON inbox.app_id = asked.app_id AND inbox.user_id = asked.user_id
LEFT JOIN notify.logs AS log ON log.app_id = inbox.app_id
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(wanted.key), '{}') AS keys, coalesce(array_agg(wanted.after), '{}') AS afters
    FROM (
        SELECT '*' AS key, inbox.pulled AS after
        WHERE inbox.pulled IS NOT NULL
        UNION ALL
        SELECT
            topic,
            CASE WHEN is_late THEN since ELSE greatest(inbox.pulled, since) END
        FROM notify.subscriptions AS subscription
        WHERE subscription.app_id = inbox.app_id AND subscription.user_id = inbox.user_id
    ) AS wanted
) AS follows
LEFT JOIN LATERAL (
    (
        SELECT published.position, published.publication_id, published.change, published.key, had.id AS notification_id
        FROM (
            SELECT DISTINCT ON (found.position) found.*
            FROM (
                SELECT of_key.*
                FROM unnest(follows.keys, follows.afters) AS wanted (key, after)
                CROSS JOIN LATERAL (
                    SELECT position, publication_id, change, key
                    FROM notify.entries
                    WHERE app_id = inbox.app_id AND key = wanted.key AND position > wanted.after AND change = 'publish'
                    ORDER BY position DESC
                    LIMIT (SELECT $3::integer)
                ) AS of_key
                UNION ALL
                (
                    SELECT recent.position, publication_id, change, key
                    FROM notify.entries AS recent
                    JOIN notify.publications AS shown ON shown.id = publication_id
                    WHERE inbox.pulled IS NULL
                        AND recent.app_id = inbox.app_id
                        AND key = '*'
                        AND change = 'publish'
                        AND entered_at >= $4::timestamptz
                        AND recalled_at IS NULL
                        AND (expires_at > $6::timestamptz) IS NOT FALSE
                    ORDER BY recent.position DESC
                    LIMIT (SELECT $5::integer)
                )
            ) AS found
            ORDER BY found.position DESC, found.key
            LIMIT (SELECT $3::integer)
        ) AS published
        LEFT JOIN notify.notifications AS had
            ON had.publication_id = published.publication_id AND had.inbox_id = inbox.id
    )
    UNION ALL
    (
        SELECT
            max(changed.position), changed.publication_id,
            CASE
                WHEN bool_or(changed.change = 'recall') THEN 'recall'
                WHEN bool_or(changed.change = 'resurface') THEN 'resurface'
                ELSE 'edit'
            END,
            '#', had.id
        FROM notify.entries AS changed
        JOIN notify.notifications AS had
            ON had.publication_id = changed.publication_id AND had.inbox_id = inbox.id
        WHERE changed.app_id = inbox.app_id AND changed.key = '#' AND changed.position > inbox.pulled
        GROUP BY changed.publication_id, had.id
    )
) AS entry ON true
ORDER BY asked.place, entry.position
