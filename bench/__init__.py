"""The benchmark beside Taskiq: `make bench`."""
