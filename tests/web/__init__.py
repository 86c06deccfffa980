"""The shop, as people see it in a browser."""
