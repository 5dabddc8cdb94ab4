-- erase_outbox: what waits to be sent to a user is cancelled; what goes to others too is left to them. Whoever is just
-- sending one is waited for. All that waits is walked over.
WITH slice AS (
    SELECT id
    FROM notify.outbox
    WHERE id > coalesce($3::text, '00000000-0000-0000-0000-000000000000')::uuid
    ORDER BY id
    LIMIT (SELECT $4::integer)
), cancelled AS (
    DELETE FROM notify.outbox AS waiting
    USING slice
    WHERE waiting.id = slice.id AND waiting.app_id = $1
        AND (waiting.user_id = $2 OR array_remove(waiting.user_ids, $2) = '{}')
    RETURNING waiting.id, waiting.app_id, waiting.send_at
), ended AS (
    INSERT INTO notify.releases (id, app_id, is_sent, ended_at)
    SELECT id, app_id, false, $5::timestamptz
    FROM cancelled
    WHERE send_at IS NOT NULL
    ON CONFLICT (id) DO NOTHING
), left_to_others AS (
    UPDATE notify.outbox AS waiting
    SET user_ids = array_remove(waiting.user_ids, $2), exclude = array_remove(waiting.exclude, $2)
    FROM slice
    WHERE waiting.id = slice.id AND waiting.app_id = $1
        AND (
            $2 = ANY (waiting.exclude) AND (waiting.user_id = $2) IS NOT TRUE
            OR $2 = ANY (waiting.user_ids)
        )
        AND (array_remove(waiting.user_ids, $2) = '{}') IS NOT TRUE
    RETURNING waiting.id
)
SELECT
    (SELECT count(*) FROM cancelled) + (SELECT count(*) FROM left_to_others) AS removed,
    CASE WHEN (SELECT count(*) FROM slice) = $4 THEN (SELECT id::text FROM slice ORDER BY id DESC LIMIT 1) END AS after
