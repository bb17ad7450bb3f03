"""An example: a service of orders, whose tasks use every kind of type that a generated client can have."""
