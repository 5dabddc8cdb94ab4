-- session_close: sessions that have ended, and when their users were last seen.
WITH ended AS (
    SELECT id FROM notify.sessions WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE
), gone AS (
    DELETE FROM notify.sessions WHERE id IN (SELECT id FROM ended)
)
INSERT INTO notify.seen AS known (app_id, user_id, seen_at)
SELECT app_id, user_id, now() - make_interval(secs => age_seconds)
FROM (
    SELECT app_id COLLATE "C" AS app_id, user_id COLLATE "C" AS user_id, age_seconds
    FROM unnest($2::text[], $3::text[], $4::double precision[]) AS given (app_id, user_id, age_seconds)
) AS left_
ORDER BY app_id, user_id
ON CONFLICT (app_id, user_id) DO UPDATE
SET seen_at = excluded.seen_at
WHERE known.seen_at < excluded.seen_at
