-- app_change: gives an app another name, or enables or disables it.
UPDATE notify.apps
SET name = coalesce($2, name), enabled = coalesce($3, enabled)
WHERE id = $1
RETURNING id, name, enabled, created_at
