"""WeChat customer service from Slack: `/kf` answers, a watcher posts what needs attention."""

__version__ = "1.0.0"
