-- purge_find: inboxes with tombstones that are old enough to go. The limit is a subquery for the same reason as in list.
SELECT inbox.app_id, inbox.user_id, old.id
FROM (
    SELECT id, inbox_id
    FROM notify.notifications
    WHERE deleted_at < $1::timestamptz
    ORDER BY deleted_at
    LIMIT (SELECT $2::integer)
) AS old
JOIN notify.inboxes AS inbox ON inbox.id = old.inbox_id
