"""WeChat customer service from Slack: `/kf` answers, a watcher tells what needs a hand."""

__version__ = "1.0.0"
