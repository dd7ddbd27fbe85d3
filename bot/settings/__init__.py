"""The settings of one process, read and checked once."""
