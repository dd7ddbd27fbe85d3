"""Queues of other software that distribute work between processes. Each is imported only when it is chosen."""
