-- erase_acks: when positions of inboxes that have ended were first acknowledged.
WITH gone AS (
    DELETE FROM notify.acks
    WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM notify.acks WHERE inbox_id = ANY ($1::bigint[]) LIMIT (SELECT $2::integer)
    ))
        AND inbox_id = ANY ($1)
    RETURNING upto
)
SELECT count(*) AS removed FROM gone
