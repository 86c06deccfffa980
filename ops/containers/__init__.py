"""What the containers of compose.yaml need besides Quire: the broker's definitions, the replica set, health checks."""
