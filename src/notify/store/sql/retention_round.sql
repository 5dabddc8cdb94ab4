-- retention_round: the round that is under way, or the last one.
SELECT started_at, ended_at, walked, upto, archived, deleted, worker, stepped_at FROM notify.retention_round
