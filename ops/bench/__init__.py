"""`quire bench`: how fast this machine sells books, with everything on it and everything real."""

from ops.bench.run import main

__all__ = ["main"]
