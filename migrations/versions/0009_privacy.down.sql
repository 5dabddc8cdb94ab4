DROP TABLE notify.erasures, notify.operations;
