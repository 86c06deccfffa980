"""Tests mirror the packages that they look at; flows are whole journeys, faults are things that die."""
