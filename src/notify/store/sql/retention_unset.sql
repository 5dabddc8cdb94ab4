-- retention_unset: an app has nothing more to say of how long notifications of a type stay.
DELETE FROM notify.retention WHERE app_id = $1 AND type = $2
