"""The edge: over HTTP, on a real database and the embedded broker."""
