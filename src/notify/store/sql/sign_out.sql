-- sign_out: nothing that this user was given up to now is good any more, nor is what was opened with it.
WITH signed_out AS (
    INSERT INTO notify.sign_outs AS known (app_id, user_id, signed_out_at) VALUES ($2, $3, $4)
    ON CONFLICT (app_id, user_id) DO UPDATE SET signed_out_at = greatest(known.signed_out_at, excluded.signed_out_at)
), noted AS (
    INSERT INTO notify.revocations (id, app_id, user_id, revoked_at, signed_out_at) VALUES ($1, $2, $3, now(), $4)
    ON CONFLICT (id) DO NOTHING
)
UPDATE notify.apps SET revocations = revocations + 1 WHERE id = $2
