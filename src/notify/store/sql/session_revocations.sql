-- session_revocations: revocations by name, and those of the last while.
SELECT id, app_id, user_id, session_id, token_id, key_id,
    extract(epoch FROM signed_out_at)::double precision AS signed_out_at,
    extract(epoch FROM ends_at)::double precision AS ends_at,
    extract(epoch FROM revoked_at)::double precision AS revoked_at
FROM notify.revocations
WHERE id = ANY ($1::uuid[]) OR revoked_at > now() - make_interval(secs => $2::double precision)
