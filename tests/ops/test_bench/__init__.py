"""The benchmark harness: its figures can be trusted."""
