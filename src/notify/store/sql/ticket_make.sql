-- ticket_make: what a ticket is good for; of the ticket itself only its hash is kept.
INSERT INTO notify.tickets (
    hash, app_id, user_id, endpoint, origin, scopes, is_admin, token_id, key_id, issued_at, ends_at, made_at, expires_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (hash) DO NOTHING
