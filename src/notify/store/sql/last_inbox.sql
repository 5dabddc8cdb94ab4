-- last_inbox: the newest of all inboxes.
SELECT coalesce(max(id), 0) AS id FROM notify.inboxes
