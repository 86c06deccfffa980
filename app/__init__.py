"""The HTTP edge: validates, authenticates, publishes commands, reads. It never writes carts or orders."""
