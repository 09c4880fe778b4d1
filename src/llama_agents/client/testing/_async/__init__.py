"""The asynchronous face of recording."""
