DELETE FROM notify.revocations WHERE num_nonnulls(user_id, session_id) = 0;

ALTER TABLE notify.revocations
    DROP CONSTRAINT revocations_subject,
    ADD CONSTRAINT revocations_subject CHECK (num_nonnulls(user_id, session_id) = 1);

DROP TABLE notify.jwks;

ALTER TABLE notify.apps
    DROP COLUMN enabled,
    DROP COLUMN jwt_secret_before,
    DROP COLUMN jwt_secret_before_until,
    DROP COLUMN jwt_issuer,
    DROP COLUMN jwt_audience;
