-- erase_begin: an erasure begins. Sent again after a lost connection it may meet itself.
WITH begun AS (
    INSERT INTO notify.operations (id, app_id, kind, actor, started_at, stepped_at)
    VALUES ($1, $2, 'erase', $4::text, $5::timestamptz, $5)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, app_id
)
INSERT INTO notify.erasures (operation_id, app_id, user_id, due_at)
SELECT id, app_id, $3::text, $5 FROM begun
