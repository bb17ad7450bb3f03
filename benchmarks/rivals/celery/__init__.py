"""The benchmark's program for celery."""
