"""The rules of what is stored."""
