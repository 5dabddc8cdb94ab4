-- unsettled: which of these inboxes, whose users have shown up, lack something that was published for them.
SELECT asked.place
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (app_id, user_id, place)
JOIN notify.inboxes AS inbox ON inbox.app_id = asked.app_id AND inbox.user_id = asked.user_id
LEFT JOIN notify.logs AS log ON log.app_id = inbox.app_id
WHERE inbox.pulled IS NOT NULL
    AND (
        notify.is_unsettled(inbox.id, inbox.app_id, inbox.user_id, inbox.pulled, log.head)
        OR EXISTS (
            SELECT
            FROM notify.subscriptions AS late
            WHERE late.app_id = inbox.app_id AND late.user_id = inbox.user_id AND late.is_late
        )
    )
