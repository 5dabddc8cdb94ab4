-- erase_audit: of administrative acts whom they were about, and of a user's own that they were theirs and from where.
WITH named AS (
    SELECT id
    FROM notify.audit
    WHERE app_id = $1 AND (user_id = $2 OR actor = 'user:' || $2)
    ORDER BY id
    LIMIT (SELECT $3::integer)
    FOR UPDATE
), changed AS (
    UPDATE notify.audit AS entry
    SET about = CASE WHEN entry.user_id = $2 THEN entry.about || '{"user_id": null}' ELSE entry.about END,
        actor = CASE WHEN entry.actor = 'user:' || $2 THEN 'user:' ELSE entry.actor END,
        address = CASE WHEN entry.actor = 'user:' || $2 THEN NULL ELSE entry.address END,
        request_id = CASE WHEN entry.actor = 'user:' || $2 THEN NULL ELSE entry.request_id END
    FROM named
    WHERE entry.id = named.id
    RETURNING entry.id
)
SELECT count(*) AS removed FROM changed
