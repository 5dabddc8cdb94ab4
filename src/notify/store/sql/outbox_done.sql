-- outbox_done: removes what the same transaction has written.
DELETE FROM notify.outbox WHERE id = ANY ($1::uuid[])
