DROP TABLE notify.acks, notify.devices;
