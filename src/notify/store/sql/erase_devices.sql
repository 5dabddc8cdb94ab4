-- erase_devices: the devices of users whose inboxes have ended.
WITH gone AS (
    DELETE FROM notify.devices
    WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM notify.devices WHERE inbox_id = ANY ($1::bigint[]) LIMIT (SELECT $2::integer)
    ))
        AND inbox_id = ANY ($1)
    RETURNING name
)
SELECT count(*) AS removed FROM gone
