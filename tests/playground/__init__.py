"""The playground from end to end: a real browser, the page, the real bot, and what people do."""
