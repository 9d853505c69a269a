"""What a terminal shows: messages, tables that fit its width, progress, and the results of each command."""
