-- erase_type_counts: the counters by type of inboxes that have ended.
WITH gone AS (
    DELETE FROM notify.type_counts
    WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM notify.type_counts WHERE inbox_id = ANY ($1::bigint[]) LIMIT (SELECT $2::integer)
    ))
        AND inbox_id = ANY ($1)
    RETURNING type
)
SELECT count(*) AS removed FROM gone
