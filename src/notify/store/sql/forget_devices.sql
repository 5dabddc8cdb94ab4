-- forget_devices: devices that have not been seen for long.
DELETE FROM notify.devices
WHERE ctid = ANY (ARRAY (SELECT ctid FROM notify.devices WHERE seen_at < $1 ORDER BY seen_at LIMIT $2))
    AND seen_at < $1::timestamptz
