"""Carry out operations: send each write once, and read the list to find its outcome."""
