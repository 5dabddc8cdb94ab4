-- revoked: whether these tokens were revoked, each or with all that their user was given up to a moment.
SELECT place,
    EXISTS (
        SELECT FROM notify.revoked_tokens AS revoked
        WHERE revoked.app_id = asked.app_id AND revoked.token_id = asked.token_id
    )
    OR EXISTS (
        SELECT FROM notify.sign_outs AS signed
        WHERE signed.app_id = asked.app_id AND signed.user_id = asked.user_id
            AND coalesce(to_timestamp(asked.issued_at) <= signed.signed_out_at, true)
    ) AS is_revoked
FROM unnest($1::text[], $2::text[], $3::text[], $4::double precision[]) WITH ORDINALITY
    AS asked (app_id, token_id, user_id, issued_at, place)
ORDER BY place
