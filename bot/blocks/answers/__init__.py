"""Answers to `/kf` and to buttons, shown to one person."""
