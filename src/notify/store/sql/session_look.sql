-- session_look: until when these sessions may stay, which another process may have changed.
SELECT id, extract(epoch FROM expires_at)::double precision AS expires_at
FROM notify.sessions
WHERE id = ANY ($1::uuid[])
