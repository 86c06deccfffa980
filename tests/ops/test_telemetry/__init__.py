"""Telemetry: what is counted, traced and logged, and that its page says so."""
