-- subscribe: pairs of user and topic, each by the place where the call names it first. Who is subscribed stays as they are;
-- what would be more than $7 of one user is not taken, and has no time. All are written in one order, so that calls that
-- race wait for each other and never in a circle.
WITH named AS MATERIALIZED (
    SELECT
        topic,
        -- Just before the newest of what was published lately, else where the log stands.
        coalesce((
            SELECT min(newest.position) - 1
            FROM (
                SELECT position, entered_at
                FROM notify.entries
                WHERE app_id = $1 AND key = topic AND change = 'publish'
                ORDER BY position DESC
                LIMIT coalesce(late_entries, 0)
            ) AS newest
            WHERE newest.entered_at >= $8::timestamptz - late_seconds * interval '1 second'
        ), log.head, 0) AS since,
        coalesce(log.head, 0) AS head
    FROM unnest($2::text[], $3::integer[], $4::integer[]) AS t (topic, late_entries, late_seconds)
    LEFT JOIN notify.logs AS log ON log.app_id = $1
), wish AS (
    SELECT user_id, topic, min(place) AS place
    FROM unnest($5::text[], $6::text[]) WITH ORDINALITY AS p (user_id, topic, place)
    GROUP BY user_id, topic
), held AS MATERIALIZED (
    SELECT user_id, (
        SELECT count(*) FROM notify.subscriptions AS other WHERE other.app_id = $1 AND other.user_id = asking.user_id
    ) AS topics
    FROM (SELECT DISTINCT user_id FROM wish) AS asking
), known AS (
    SELECT
        wish.user_id, wish.topic, wish.place, before.created_at,
        -- Approximate: calls that run at once do not count each other's.
        held.topics + row_number() OVER (
            PARTITION BY wish.user_id, before.created_at IS NULL ORDER BY wish.place
        ) <= $7::integer AS has_room
    FROM wish
    JOIN held ON held.user_id = wish.user_id
    LEFT JOIN notify.subscriptions AS before
        ON before.app_id = $1 AND before.user_id = wish.user_id AND before.topic = wish.topic
), taken AS (
    INSERT INTO notify.subscriptions AS subscription (app_id, user_id, topic, since, is_late, created_at)
    SELECT $1, known.user_id, known.topic, named.since, named.since < named.head, $8::timestamptz
    FROM known
    JOIN named ON named.topic = known.topic
    WHERE known.created_at IS NULL AND known.has_room
    ORDER BY known.user_id, known.topic
    -- Changes nothing: it is how the row of a call that was faster is seen.
    ON CONFLICT (app_id, user_id, topic) DO UPDATE SET created_at = subscription.created_at
    RETURNING user_id, topic, created_at, xmax = 0 AS is_new, is_late
)
SELECT
    known.place, coalesce(known.created_at, taken.created_at) AS created_at, coalesce(taken.is_new, false) AS is_new,
    coalesce(taken.is_late, false) AS is_late
FROM known
LEFT JOIN taken ON taken.user_id = known.user_id AND taken.topic = known.topic
