-- held: how much is kept under the name of a user, of what there may be much of.
SELECT
    (
        SELECT count(*)
        FROM notify.inboxes AS inbox
        JOIN notify.notifications AS notification ON notification.inbox_id = inbox.id
        WHERE inbox.app_id = $1 AND inbox.user_id = $2
    ) + (
        SELECT count(*)
        FROM notify.inboxes AS inbox
        JOIN notify.acks ON acks.inbox_id = inbox.id
        WHERE inbox.app_id = $1 AND inbox.user_id = $2
    ) + (
        SELECT count(*) FROM notify.subscriptions WHERE app_id = $1 AND user_id = $2
    ) AS held
