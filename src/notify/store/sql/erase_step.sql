-- erase_step: how much an erasure has removed by now, and of how much if that is known.
UPDATE notify.operations
SET done = done + $2::bigint, total = greatest(coalesce($3::bigint, total), done + $2), stepped_at = $4::timestamptz
WHERE id = $1
