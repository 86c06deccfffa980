"""Messages, topology, publishing, actors, retries, dead letters, and the embedded broker."""
