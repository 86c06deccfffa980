"""The broker: messages, topology, publishing, actors, and the embedded broker."""
