"""Small runnable markets, each ending in a table of who paid what. `python -m examples.squeeze` from the root."""
