-- demo_role: a role that may send and nothing else, for the example in SQL. Only where the whole server is ours.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'notify_demo') THEN
        CREATE ROLE notify_demo LOGIN CONNECTION LIMIT 5;
    END IF;
    GRANT notify_producer TO notify_demo;
    EXECUTE format('ALTER ROLE notify_demo PASSWORD %L', current_setting('notify_demo.password'));
END
$$
