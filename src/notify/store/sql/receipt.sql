-- receipt: an export or an erasure of an app, under way or over.
SELECT id, kind, actor, state, done, total, started_at, ended_at FROM notify.operations WHERE id = $1 AND app_id = $2
