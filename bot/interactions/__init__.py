"""What a person triggers: slash commands and clicks."""
