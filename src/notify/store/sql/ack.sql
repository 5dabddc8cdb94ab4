-- ack: devices say up to where they have everything. What is of another epoch, past the head, behind what the device said
-- before, or one device too many, is not taken. Each device comes at most once.
WITH wish AS (
    SELECT *
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
        WITH ORDINALITY AS w (app_id, user_id, device, epoch, seq, place)
), known AS (
    SELECT
        wish.place, wish.device, wish.epoch, wish.seq, inbox.id AS inbox_id, inbox.head,
        store.generation || inbox.epoch AS current_epoch, before.acked AS acked_before, before.epoch AS epoch_before,
        before.inbox_id IS NOT NULL OR (
            SELECT count(*) FROM notify.devices AS other WHERE other.inbox_id = inbox.id
        ) < $7::integer AS has_room
    FROM wish
    JOIN notify.inboxes AS inbox ON inbox.app_id = wish.app_id AND inbox.user_id = wish.user_id
    CROSS JOIN notify.store
    LEFT JOIN notify.devices AS before ON before.inbox_id = inbox.id AND before.name = wish.device
), taken AS (
    SELECT *
    FROM known
    WHERE epoch = current_epoch AND seq <= head AND has_room
        AND (acked_before IS NULL OR epoch_before <> epoch OR seq >= acked_before)
), device AS (
    INSERT INTO notify.devices AS device (inbox_id, name, epoch, acked, seen_at)
    SELECT inbox_id, device, epoch, seq, $6::timestamptz
    FROM taken
    ORDER BY inbox_id, device
    ON CONFLICT (inbox_id, name) DO UPDATE SET
        acked = CASE WHEN device.epoch = excluded.epoch THEN greatest(device.acked, excluded.acked) ELSE excluded.acked END,
        epoch = excluded.epoch,
        seen_at = excluded.seen_at
), reached AS (
    INSERT INTO notify.acks (inbox_id, upto, acked_at)
    SELECT inbox_id, max(seq), $6::timestamptz
    FROM taken
    WHERE seq > 0
        AND NOT EXISTS (SELECT FROM notify.acks AS done WHERE done.inbox_id = taken.inbox_id AND done.upto >= taken.seq)
    GROUP BY inbox_id
    ORDER BY inbox_id
    ON CONFLICT (inbox_id, upto) DO NOTHING
)
SELECT
    known.place,
    CASE
        WHEN known.epoch <> known.current_epoch THEN 'epoch'
        WHEN known.seq > known.head THEN 'ahead'
        WHEN NOT known.has_room THEN 'devices'
        WHEN taken.place IS NULL THEN 'backwards'
    END AS refused
FROM known
LEFT JOIN taken USING (place)
