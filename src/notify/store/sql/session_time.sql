-- session_time: what time it is to the database.
SELECT extract(epoch FROM clock_timestamp())::double precision AS seconds
