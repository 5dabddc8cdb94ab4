-- publication_lock: one publication of an app, to be changed; its log is locked.
SELECT id, title, body, level, data, url, actions, actor, progress, recalled_at
FROM notify.publications
WHERE id = $1 AND app_id = $2
FOR NO KEY UPDATE
