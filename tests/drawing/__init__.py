"""The picture of the house and its two flows, drawn from the imports: `python -m tests.drawing`, or `make docs`."""
