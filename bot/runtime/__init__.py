"""Background tasks, logs, metrics and the heartbeat of one process."""
