"""The subscriber groups: catalog, carts, orders, payments, shipments, notifications. A file or folder a group."""
