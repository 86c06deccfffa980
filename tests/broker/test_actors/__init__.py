"""Actors end to end, on every broker."""
