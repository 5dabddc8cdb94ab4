-- session_look: until when these sessions may stay and by what, which another process may have changed; none that go by
-- what was revoked.
SELECT session.id, extract(epoch FROM least(session.expires_at, maker.expires_at))::double precision AS expires_at,
    session.token_id, session.key_id, session.issued_at
FROM notify.sessions AS session
LEFT JOIN notify.api_keys AS maker ON maker.id = session.key_id
WHERE session.id = ANY ($1::uuid[]) AND maker.revoked_at IS NULL
    AND NOT EXISTS (
        SELECT FROM notify.revoked_tokens AS revoked
        WHERE revoked.app_id = session.app_id AND revoked.token_id = session.token_id
    )
    AND NOT EXISTS (
        SELECT FROM notify.sign_outs AS signed
        WHERE signed.app_id = session.app_id AND signed.user_id = session.user_id
            AND coalesce(to_timestamp(session.issued_at) <= signed.signed_out_at, true)
    )
