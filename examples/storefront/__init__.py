"""An example: another service, which calls the tasks of `examples.orders` through the generated client in `stubs/order_tasks`."""
