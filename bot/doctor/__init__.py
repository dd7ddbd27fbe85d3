"""Checks of the configuration, as `python -m bot doctor` prints them."""
