"""`quire trace`."""
