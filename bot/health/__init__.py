"""Health: facts in, problems out. Log, `/readyz`, metrics, status and doctor render them."""
