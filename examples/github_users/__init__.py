"""A FastAPI application that fetches GitHub users through a queue."""
