"""The messages to send: kinds, priorities, grouping and planning. Pure."""
