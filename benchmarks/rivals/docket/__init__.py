"""The benchmark's program for docket."""
