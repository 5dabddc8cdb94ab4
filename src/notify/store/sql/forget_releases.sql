-- forget_releases: how what was scheduled ended, longer ago than anybody cancels it. By their places, as in forget_answers.
DELETE FROM notify.releases
WHERE ctid = ANY (ARRAY (SELECT ctid FROM notify.releases WHERE ended_at < $1 ORDER BY ended_at LIMIT $2))
    AND ended_at < $1::timestamptz
