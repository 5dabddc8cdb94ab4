-- purge: forgets these tombstones and raises the floors of their inboxes, which are locked, past them.
WITH gone AS (
    DELETE FROM notify.notifications
    WHERE id = ANY ($1::uuid[]) AND deleted_at < $2::timestamptz
    RETURNING inbox_id, changed_position
)
UPDATE notify.inboxes AS inbox
SET floor = greatest(inbox.floor, raised.floor)
FROM (SELECT inbox_id, max(changed_position) AS floor FROM gone GROUP BY inbox_id) AS raised
WHERE inbox.id = raised.inbox_id
