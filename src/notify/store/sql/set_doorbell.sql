-- set_doorbell: whether an INSERT into the outbox rings within the producer's transaction.
UPDATE notify.store SET outbox_doorbell = $1 WHERE outbox_doorbell <> $1
