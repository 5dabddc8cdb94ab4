-- app_claims: who has to have made an app's tokens, and for whom.
UPDATE notify.apps SET jwt_issuer = $2, jwt_audience = $3 WHERE id = $1 RETURNING id
