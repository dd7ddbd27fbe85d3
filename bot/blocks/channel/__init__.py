"""Messages of the alert channel and their thread replies. WeChat IDs are masked."""
