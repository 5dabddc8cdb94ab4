-- flashes: what is for whoever is connected, by its ids.
SELECT app_id, user_ids, topics, excluded, notification
FROM notify.flashes
WHERE id = ANY ($1::uuid[])
