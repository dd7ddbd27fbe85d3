"""Stand-ins for the outside world, to try the bot without it. Imported by `__main__` and tests only."""
