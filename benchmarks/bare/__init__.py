"""What Redis and Python allow, without a task queue."""
