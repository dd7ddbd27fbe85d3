"""Slash commands, button clicks, access control and the status of the bot."""
