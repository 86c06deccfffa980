"""Handlers, on fakes that behave like what they stand for."""
