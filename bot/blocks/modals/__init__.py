"""Modals, shown to one person: the forms of operations, their results, the details of an account."""
