"""App Home: the board of all accounts, and the views that take its place. Values in, `ports.View` out."""
