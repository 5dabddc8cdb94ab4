from notify.cli.main import main

main()
