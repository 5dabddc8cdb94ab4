-- demo_password: tells demo_role, in the same transaction, the password; a command that makes a role takes no argument.
SELECT set_config('demo.password', $1, true)
