-- new_generation: makes every position ever given out unknown, so that every client starts fresh.
UPDATE notify.store SET generation = notify.random_name(4) RETURNING generation
