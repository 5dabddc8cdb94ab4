-- erase_revenant: an inbox that was made again although the user has not come back: nobody is connected, and nothing in it
-- was sent to them by name. Otherwise as erase_inbox.
WITH gone AS (
    DELETE FROM notify.inboxes AS inbox
    WHERE inbox.app_id = $1
        AND inbox.user_id = $2
        AND NOT EXISTS (
            SELECT FROM notify.notifications AS had WHERE had.inbox_id = inbox.id AND had.publication_id IS NULL
        )
        AND NOT EXISTS (
            SELECT
            FROM notify.sessions AS session
            JOIN notify.processes AS process ON process.id = session.process_id AND process.alive_until > now()
            WHERE session.app_id = inbox.app_id AND session.user_id = inbox.user_id
        )
    RETURNING inbox.id
), kept AS (
    UPDATE notify.erasures SET inbox_ids = inbox_ids || gone.id FROM gone WHERE operation_id = $3
)
SELECT id FROM gone
