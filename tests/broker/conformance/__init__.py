"""One suite for both brokers: what holds on a real RabbitMQ holds on the embedded one."""
