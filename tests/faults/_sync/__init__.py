# Generated from tests/faults/_async/__init__.py by `python -m generator`: do not edit.
