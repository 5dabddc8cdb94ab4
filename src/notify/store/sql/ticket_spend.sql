-- ticket_spend: takes a ticket, once, if it is for this; otherwise says what is the matter with it.
WITH spent AS (
    UPDATE notify.tickets AS ticket
    SET spent_at = $4
    WHERE hash = $1 AND endpoint = $2 AND (origin IS NULL OR origin = ANY ($3::text[]))
        AND spent_at IS NULL AND expires_at > $4::timestamptz
    RETURNING hash
)
SELECT app_id, user_id, scopes, is_admin, token_id, key_id, issued_at, ends_at,
    endpoint = $2 AS is_for_this,
    origin IS NULL OR origin = ANY ($3::text[]) AS is_from_there,
    EXISTS (SELECT FROM spent) AS is_spent_now,
    EXISTS (
        SELECT FROM notify.revoked_tokens AS revoked
        WHERE revoked.app_id = ticket.app_id AND revoked.token_id = ticket.token_id
    )
    OR EXISTS (
        SELECT FROM notify.sign_outs AS signed
        WHERE signed.app_id = ticket.app_id AND signed.user_id = ticket.user_id
            AND coalesce(to_timestamp(ticket.issued_at) <= signed.signed_out_at, true)
    )
    OR EXISTS (
        SELECT FROM notify.api_keys AS maker
        WHERE maker.id = ticket.key_id AND (maker.revoked_at IS NOT NULL OR maker.expires_at <= $4)
    ) AS is_revoked
FROM notify.tickets AS ticket
WHERE hash = $1
