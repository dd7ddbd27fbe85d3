"""Poll WeChat, update episodes, and record the messages to send."""
