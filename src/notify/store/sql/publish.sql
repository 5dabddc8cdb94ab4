-- publish: gives each publication the next position of its app's log, and enters it under every key that a subscription may
-- have for it. Locks the logs in one order.
WITH wanted AS (
    SELECT *
    FROM unnest(
        $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::float8[], $16::timestamptz[]
    ) WITH ORDINALITY AS w (
        app_id, id, topics, excluded, keys, type, level, title, body, data, url, actions, actor, collapse_key, progress,
        expires_at, place
    )
), log AS (
    INSERT INTO notify.logs AS log (app_id, head)
    SELECT app_id COLLATE "C" AS app_id, count(*)
    FROM wanted
    GROUP BY 1
    ORDER BY 1
    ON CONFLICT (app_id) DO UPDATE SET head = log.head + excluded.head
    RETURNING app_id, head
), placed AS (
    SELECT
        wanted.*,
        log.head - count(*) OVER (PARTITION BY log.app_id)
            + row_number() OVER (PARTITION BY log.app_id ORDER BY wanted.place) AS position
    FROM wanted
    JOIN log USING (app_id)
), stored AS (
    INSERT INTO notify.publications (
        id, app_id, position, topics, excluded, type, level, title, body, data, url, actions, actor, collapse_key,
        progress, expires_at, published_at
    )
    SELECT
        id, app_id, position, ARRAY(SELECT json_array_elements_text(topics::json)),
        ARRAY(SELECT json_array_elements_text(excluded::json)), type, level, title, body, data::json, url, actions::json,
        actor::json, collapse_key, progress, expires_at, $17::timestamptz
    FROM placed
), entered AS (
    INSERT INTO notify.entries (app_id, key, position, publication_id, change, entered_at)
    SELECT app_id, key, position, id, 'publish', $17
    FROM placed
    CROSS JOIN json_array_elements_text(placed.keys::json) AS named (key)
)
SELECT app_id, head FROM log
