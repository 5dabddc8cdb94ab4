DROP TABLE notify.audit;
