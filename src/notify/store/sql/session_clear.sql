-- session_clear: some sessions of a process that is gone, whose users were last seen when it was.
WITH ended AS (
    SELECT id FROM notify.sessions WHERE process_id = $1 ORDER BY id LIMIT $3::integer FOR UPDATE
), gone AS (
    DELETE FROM notify.sessions WHERE id IN (SELECT id FROM ended) RETURNING app_id, user_id
), noted AS (
    INSERT INTO notify.seen AS known (app_id, user_id, seen_at)
    SELECT DISTINCT app_id, user_id, $2::timestamptz FROM gone ORDER BY app_id, user_id
    ON CONFLICT (app_id, user_id) DO UPDATE
    SET seen_at = excluded.seen_at
    WHERE known.seen_at < excluded.seen_at
)
SELECT count(*)::integer AS cleared FROM gone
