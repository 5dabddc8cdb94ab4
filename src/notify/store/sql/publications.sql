-- publications: what these were published as, as it is now.
SELECT
    id, position, topics, excluded, type, level, title, body, data, url, actions, actor, collapse_key, progress, expires_at,
    published_at, recalled_at
FROM notify.publications
WHERE id = ANY ($1::uuid[])
