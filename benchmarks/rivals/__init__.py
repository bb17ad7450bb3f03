"""The other libraries, each with its program and its pinned environment."""
