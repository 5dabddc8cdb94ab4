-- forget_sign_outs: who was signed out so long ago that whatever they had been given has expired.
DELETE FROM notify.sign_outs
WHERE ctid = ANY (ARRAY (SELECT ctid FROM notify.sign_outs WHERE signed_out_at < $1 ORDER BY signed_out_at LIMIT $2))
    AND signed_out_at < $1::timestamptz
