"""typedtasks in the benchmark."""
