"""What is generated from `openapi.yaml` and from the asynchronous sources, and whether it is current."""
