-- settle_find: what the publication logs hold for these inboxes, which are locked, past where each was filled up to: of each
-- the newest entries, and what it has of them. Where the user shows up for the first time, of what is for everyone only the
-- last few.
SELECT
    asked.place, coalesce(log.head, 0) AS log_head, entry.position, entry.publication_id, entry.change, entry.key,
    had.id AS notification_id,
    ARRAY(
        SELECT topic
        FROM notify.subscriptions AS late
        WHERE late.app_id = inbox.app_id AND late.user_id = inbox.user_id AND late.is_late
    ) AS late_topics
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (app_id, user_id, place)
JOIN notify.inboxes AS inbox ON inbox.app_id = asked.app_id AND inbox.user_id = asked.user_id
LEFT JOIN notify.logs AS log ON log.app_id = inbox.app_id
LEFT JOIN LATERAL (
    SELECT DISTINCT ON (found.position) found.*
    FROM (
        (
            SELECT position, publication_id, change, key
            FROM notify.entries
            WHERE app_id = inbox.app_id AND key = '*' AND position > inbox.pulled
            ORDER BY position DESC
            LIMIT (SELECT $3::integer)
        )
        UNION ALL
        (
            SELECT position, publication_id, change, key
            FROM notify.entries
            WHERE inbox.pulled IS NULL
                AND app_id = inbox.app_id
                AND key = '*'
                AND change = 'publish'
                AND entered_at >= $4::timestamptz
            ORDER BY position DESC
            LIMIT (SELECT $5::integer)
        )
        UNION ALL
        (
            SELECT of_topic.*
            FROM notify.subscriptions AS subscription
            CROSS JOIN LATERAL (
                SELECT position, publication_id, change, key
                FROM notify.entries
                WHERE app_id = inbox.app_id
                    AND key = subscription.topic
                    AND position > CASE
                        WHEN subscription.is_late THEN subscription.since ELSE greatest(inbox.pulled, subscription.since)
                    END
                ORDER BY position DESC
                LIMIT (SELECT $3::integer)
            ) AS of_topic
            WHERE subscription.app_id = inbox.app_id AND subscription.user_id = inbox.user_id
        )
    ) AS found
    ORDER BY found.position DESC
    LIMIT (SELECT $3::integer)
) AS entry ON true
LEFT JOIN notify.notifications AS had ON had.publication_id = entry.publication_id AND had.inbox_id = inbox.id
ORDER BY asked.place, entry.position
