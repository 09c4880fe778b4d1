"""Defects, injected one at a time: each must make the tests of both client variants fail."""
