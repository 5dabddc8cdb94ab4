-- erase_inbox: the user's inbox ends; what was in it is nobody's from now on, and the erasure remembers to remove it. Whoever
-- has it locked is waited for; whoever waits for it makes a new one.
WITH gone AS (
    DELETE FROM notify.inboxes WHERE app_id = $1 AND user_id = $2 RETURNING id
), kept AS (
    UPDATE notify.erasures SET inbox_ids = inbox_ids || gone.id FROM gone WHERE operation_id = $3
)
SELECT id FROM gone
