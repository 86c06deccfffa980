"""`quire bench`: how fast this machine sells books, with everything on it and everything real."""

from ops.bench.figures import WentWrong
from ops.bench.run import NAMES, SOAK_MINUTES, Options, main
from ops.bench.stand import DEFAULT_WORKERS, Layout

__all__ = ["DEFAULT_WORKERS", "NAMES", "SOAK_MINUTES", "Layout", "Options", "WentWrong", "main"]
