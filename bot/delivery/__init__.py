"""Send outbox messages to Slack exactly once, and keep sent messages up to date."""
