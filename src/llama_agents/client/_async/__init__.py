"""The asynchronous face of the client."""
