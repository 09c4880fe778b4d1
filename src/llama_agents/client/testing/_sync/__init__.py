# Generated from src/llama_agents/client/testing/_async/__init__.py by `python -m generator`: do not edit.
"""The synchronous face of recording."""
