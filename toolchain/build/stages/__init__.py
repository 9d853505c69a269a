"""The pieces of work that executors run: each makes one entry of the store."""
