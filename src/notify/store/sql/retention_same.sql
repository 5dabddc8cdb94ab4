-- retention_same: which of these are as they were found, now that their inboxes are locked.
SELECT found.place
FROM unnest($1::uuid[], $2::smallint[], $3::timestamptz[]) WITH ORDINALITY AS found (id, state, arrived_at, place)
JOIN notify.notifications AS notification
    ON notification.id = found.id
    AND notification.state = found.state
    AND notification.arrived_at = found.arrived_at
ORDER BY found.place
