-- receipt_begin: an export begins.
INSERT INTO notify.operations (id, app_id, kind, actor, total, started_at, stepped_at)
VALUES ($1, $2, 'export', $3, $4::bigint, $5::timestamptz, $5)
ON CONFLICT (id) DO NOTHING
