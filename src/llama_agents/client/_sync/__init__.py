# Generated from src/llama_agents/client/_async/__init__.py by `python -m generator`: do not edit.
"""The synchronous client variant."""
