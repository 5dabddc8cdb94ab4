-- lineage: says which database this is, and starts a new generation of epochs if it is not the one the rows were written
-- in: another cluster, another timeline (a promoted standby, a restore) or a copy.
WITH here AS (
    SELECT concat_ws(
        ':',
        (SELECT system_identifier FROM pg_control_system()),
        CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
        (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS identity
)
UPDATE notify.store AS store
SET identity = here.identity,
    generation = CASE WHEN store.identity IS NULL THEN store.generation ELSE notify.random_name(4) END
FROM here, notify.store AS before
WHERE store.identity IS DISTINCT FROM here.identity AND NOT pg_is_in_recovery()
RETURNING CASE WHEN store.generation <> before.generation THEN store.generation END
