"""Which messages exist, in which order, and what each carries. Pure."""
