"""State in SQLite or PostgreSQL. No rules of the product."""
