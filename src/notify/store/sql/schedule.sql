-- schedule: puts what is to be sent later into the outbox. What names neither users nor topics is for everyone. Sent again
-- after a lost connection it may meet itself.
INSERT INTO notify.outbox (
    id, app_id, user_id, user_ids, topic, topics, everyone, exclude, type, level, title, body, data, url, actions, actor,
    collapse_key, progress, expires_at, send_at, created_at
)
SELECT
    id, app_id,
    CASE WHEN cardinality(audience.users) = 1 THEN audience.users[1] END,
    CASE WHEN cardinality(audience.users) > 1 THEN audience.users END,
    CASE WHEN cardinality(audience.topics) = 1 THEN audience.topics[1] END,
    CASE WHEN cardinality(audience.topics) > 1 THEN audience.topics END,
    CASE WHEN cardinality(audience.users || audience.topics) = 0 THEN true END,
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
        ARRAY(SELECT json_array_elements_text(wanted.users::json)) AS users,
        ARRAY(SELECT json_array_elements_text(wanted.topics::json)) AS topics
) AS audience
ON CONFLICT (id) DO NOTHING
