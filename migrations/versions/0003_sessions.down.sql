DROP TABLE notify.revocations, notify.seen, notify.sessions, notify.processes;
