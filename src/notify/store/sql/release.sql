-- release: how something that an app had scheduled ended.
SELECT is_sent FROM notify.releases WHERE id = $1 AND app_id = $2
