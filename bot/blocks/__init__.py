"""Rendering: values in, `ports.Message` out. Nothing here reads a clock, WeChat or Slack.

`channel` renders the messages of the alert channel, `answers` the replies to `/kf` and to buttons.
"""
