-- export_sign_outs: when a user was last signed out everywhere.
SELECT user_id AS after, true AS is_held, signed_out_at
FROM notify.sign_outs
WHERE app_id = $1 AND user_id = $2 AND $3::text IS NULL
LIMIT (SELECT $4::integer)
