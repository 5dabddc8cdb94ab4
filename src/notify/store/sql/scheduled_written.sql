-- scheduled_written: which of these were put into the outbox, whatever has become of them since: asked after a connection
-- was lost in COMMIT.
SELECT id FROM notify.outbox WHERE id = ANY ($1::uuid[])
UNION
SELECT id FROM notify.releases WHERE id = ANY ($1::uuid[])
