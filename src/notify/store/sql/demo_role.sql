-- demo_role: a role that may send and nothing else, for the example in SQL. Only where the whole server is ours.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'demo_producer') THEN
        CREATE ROLE demo_producer LOGIN CONNECTION LIMIT 5;
    END IF;
    GRANT notify_producer TO demo_producer;
    EXECUTE format('ALTER ROLE demo_producer PASSWORD %L', current_setting('demo.password'));
END
$$
