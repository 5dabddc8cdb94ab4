-- erase_next: when the next phase of an erasure is due.
SELECT min(due_at) AS due_at FROM notify.erasures
