"""What runs elsewhere: agents, the board's program, apps; none of it imports the toolchain."""
