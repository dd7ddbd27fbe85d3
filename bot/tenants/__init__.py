"""Tenants: the Official Accounts of one installation, from the environment and from a file."""
