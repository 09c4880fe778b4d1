"""The asynchronous client variant."""
