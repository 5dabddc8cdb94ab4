-- create: gives each recipient's inbox its next positions and stores the notifications. It allocates and locks in one
-- ordered upsert, which a pure create may do without locking first (law 1).
WITH recipient AS (
    SELECT app_id COLLATE "C" AS app_id, user_id COLLATE "C" AS user_id, id, content_number, place
    FROM unnest($1::text[], $2::text[], $3::uuid[], $4::integer[])
        WITH ORDINALITY AS r (app_id, user_id, id, content_number, place)
), content AS (
    SELECT *
    FROM unnest(
        $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
        $14::float8[], $15::timestamptz[], $17::text[], $18::uuid[], $19::timestamptz[]
    ) WITH ORDINALITY AS c (
        type, level, title, body, data, url, actions, actor, collapse_key, progress, expires_at, topic, publication_id,
        created_at, content_number
    )
), inbox AS (
    INSERT INTO notify.inboxes AS inbox (app_id, user_id, head, unread, unseen, total, arrived_at, due_at)
    SELECT app_id, user_id, count(*), count(*), count(*), count(*), $16::timestamptz, min(content.expires_at)
    FROM recipient
    JOIN content USING (content_number)
    GROUP BY app_id, user_id
    ORDER BY app_id, user_id
    ON CONFLICT (app_id, user_id) DO UPDATE SET
        head = inbox.head + excluded.head,
        unread = inbox.unread + excluded.unread,
        unseen = inbox.unseen + excluded.unseen,
        total = inbox.total + excluded.total,
        arrived_at = greatest(inbox.arrived_at, excluded.arrived_at),
        due_at = least(inbox.due_at, excluded.due_at)
    RETURNING id, app_id, user_id, epoch, floor, head, unread, unseen, total, arrived_at, due_at
), placed AS (
    SELECT
        recipient.place,
        recipient.id,
        recipient.content_number,
        inbox.id AS inbox_id,
        inbox.epoch,
        inbox.floor,
        inbox.head,
        inbox.unread,
        inbox.unseen,
        inbox.total,
        inbox.arrived_at,
        inbox.due_at,
        inbox.head - count(*) OVER (PARTITION BY inbox.id)
            + row_number() OVER (PARTITION BY inbox.id ORDER BY recipient.place) AS position
    FROM recipient
    JOIN inbox USING (app_id, user_id)
), counted AS (
    INSERT INTO notify.type_counts AS counts (inbox_id, type, unread, unseen, total)
    SELECT placed.inbox_id, content.type, count(*), count(*), count(*)
    FROM placed
    JOIN content USING (content_number)
    WHERE content.type IS NOT NULL
    GROUP BY placed.inbox_id, content.type
    ON CONFLICT (inbox_id, type) DO UPDATE SET
        unread = counts.unread + excluded.unread,
        unseen = counts.unseen + excluded.unseen,
        total = counts.total + excluded.total
), stored AS (
    INSERT INTO notify.notifications (
        id, inbox_id, created_position, arrived_position, changed_position, type, level, title, body, data, url, actions,
        actor, collapse_key, progress, expires_at, created_at, arrived_at, updated_at, topic, publication_id
    )
    SELECT
        placed.id, placed.inbox_id, placed.position, placed.position, placed.position, content.type, content.level,
        content.title, content.body, content.data::json, content.url, content.actions::json, content.actor::json,
        content.collapse_key, content.progress, content.expires_at, content.created_at, placed.arrived_at, $16::timestamptz, content.topic,
        content.publication_id
    FROM placed
    JOIN content USING (content_number)
)
SELECT
    placed.place, placed.inbox_id, store.generation || placed.epoch AS epoch, placed.position, placed.arrived_at,
    placed.floor, placed.head, placed.unread, placed.unseen, placed.total, placed.due_at
FROM placed, notify.store
ORDER BY placed.place
