-- due: what time does to these inboxes, which are locked: what expires in them and what comes back, at most so many, in the
-- order of their times.
SELECT inbox.app_id, inbox.user_id, due.id, due.action
FROM unnest($1::text[], $2::text[]) AS asked (app_id, user_id)
JOIN notify.inboxes AS inbox ON inbox.app_id = asked.app_id AND inbox.user_id = asked.user_id
CROSS JOIN LATERAL (
    (
        SELECT id, 'delete' AS action, expires_at AS at
        FROM notify.notifications
        WHERE inbox_id = inbox.id AND deleted_at IS NULL AND expires_at <= $3::timestamptz
        ORDER BY expires_at
        LIMIT (SELECT $4::integer)
    )
    UNION ALL
    (
        SELECT id, 'unsnooze', snoozed_until
        FROM notify.notifications
        WHERE inbox_id = inbox.id AND deleted_at IS NULL AND snoozed_until <= $3 AND (expires_at > $3) IS NOT FALSE
        ORDER BY snoozed_until
        LIMIT (SELECT $4::integer)
    )
) AS due
WHERE inbox.due_at <= $3
ORDER BY due.at, due.id
LIMIT (SELECT $4::integer)
