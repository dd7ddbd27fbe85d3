"""Everything that people read, as values: `text` and `times` for words, `kit` for shapes, a module a message.

Values come in, a `ports.Message` goes out. Nothing here asks a clock, WeChat or Slack.
"""
