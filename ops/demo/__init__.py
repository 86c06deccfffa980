"""`quire demo`: a shopper's whole journey over HTTP, step by step on the screen; it plays the carrier too."""

from ops.demo.journey import Journey
from ops.demo.stage import DemoFailed, play

__all__ = ["DemoFailed", "Journey", "play"]
