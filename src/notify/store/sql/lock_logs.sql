-- lock_logs: locks the publication logs of these apps, which comes before any inbox (law 2). Writes nothing else, as lock does.
INSERT INTO notify.logs AS log (app_id, head)
SELECT DISTINCT app_id COLLATE "C" AS app_id, 0
FROM unnest($1::text[]) AS named (app_id)
ORDER BY app_id
ON CONFLICT (app_id) DO UPDATE SET head = log.head WHERE false
