-- retention_lock: tries to become the only one that applies retention until the transaction ends; never waits.
SELECT pg_try_advisory_xact_lock(hashtextextended('notify', 11))
