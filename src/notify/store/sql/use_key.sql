-- use_key: notes that a key was used. Only whoever is first in a while writes.
UPDATE notify.api_keys SET last_used_at = $2 WHERE id = $1 AND coalesce(last_used_at < $3::timestamptz, true)
