"""Hide click from measured processes: it comes with the tests, and with it httpx imports its command line."""

raise ImportError("a deployment does not install click")
