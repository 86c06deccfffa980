"""Orders to their end, whatever races what: real groups, broker, database and the gateway's own books."""
