"""Tenants: the Official Accounts of one installation, from the environment, a file and the store."""
