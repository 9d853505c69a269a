"""What each command of the command line does; cli only reads arguments and shows what comes back."""
