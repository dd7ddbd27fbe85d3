"""The commands `accounts` and `keys`, for the operator of the bot."""
