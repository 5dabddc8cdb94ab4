-- schedule: puts what is to be sent later into the outbox. What names neither users nor topics is for everyone.
INSERT INTO notify.outbox (
    id, app_id, user_ids, topics, everyone, exclude, type, level, title, body, data, url, actions, actor, collapse_key,
    progress, expires_at, send_at, created_at
)
SELECT
    id, app_id, audience.user_ids, audience.topics, CASE WHEN num_nulls(audience.user_ids, audience.topics) = 2 THEN true END,
    ARRAY(SELECT json_array_elements_text(excluded::json)), type, level, title, body, data::json, url, actions::json,
    actor::json, collapse_key, progress, expires_at, send_at, $18::timestamptz
FROM unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::text[], $12::text[], $13::text[], $14::text[], $15::float8[], $16::timestamptz[], $17::timestamptz[]
) AS wanted (
    app_id, id, users, topics, excluded, type, level, title, body, data, url, actions, actor, collapse_key, progress,
    expires_at, send_at
)
CROSS JOIN LATERAL (
    SELECT
        nullif(ARRAY(SELECT json_array_elements_text(wanted.users::json)), '{}') AS user_ids,
        nullif(ARRAY(SELECT json_array_elements_text(wanted.topics::json)), '{}') AS topics
) AS audience
