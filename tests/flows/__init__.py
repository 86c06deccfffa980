"""Whole journeys, over HTTP, through everything."""
