"""Slack: Bolt, the Web API, response URLs and Socket Mode."""
