"""The third-party platform: what WeChat pushes to it, how owners authorise it, and the work that recurs."""
