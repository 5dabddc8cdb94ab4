ALTER TABLE notify.api_keys DROP COLUMN expires_at, DROP COLUMN allowed_addresses, DROP COLUMN types;
DROP TABLE notify.tickets, notify.sign_outs, notify.revoked_tokens;
ALTER TABLE notify.sessions DROP COLUMN token_id, DROP COLUMN key_id, DROP COLUMN issued_at;
DELETE FROM notify.revocations WHERE num_nonnulls(token_id, key_id, signed_out_at) > 0;
ALTER TABLE notify.revocations
    DROP CONSTRAINT revocations_subject,
    DROP COLUMN token_id,
    DROP COLUMN key_id,
    DROP COLUMN signed_out_at,
    DROP COLUMN ends_at,
    ADD CONSTRAINT revocations_subject CHECK (num_nonnulls(user_id, session_id) <= 1);
ALTER TABLE notify.apps DROP COLUMN revocations;
