"""compose.yaml, the Dockerfile, and what they start."""
