"""The benchmark: typedtasks beside other task queues, and beside what Redis and Python allow. Run by `make bench`."""
