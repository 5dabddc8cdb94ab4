-- audit_end: notes how an act ended, and what is known of it only now.
UPDATE notify.audit SET status = $2::integer, ended_at = $3::timestamptz, about = about || $4::jsonb WHERE id = $1
