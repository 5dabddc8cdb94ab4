-- flash: keeps for a moment what is for whoever is connected, so that the other processes can read it. What is late to
-- arrive from a connection that was lost may be there already.
INSERT INTO notify.flashes (id, app_id, user_ids, topics, excluded, notification, made_at)
SELECT
    id, app_id, ARRAY(SELECT json_array_elements_text(users::json)), ARRAY(SELECT json_array_elements_text(topics::json)),
    ARRAY(SELECT json_array_elements_text(excluded::json)), notification::json, $7::timestamptz
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS wanted (
    id, app_id, users, topics, excluded, notification
)
ON CONFLICT (id) DO NOTHING
