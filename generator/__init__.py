"""Writes what is generated, and checks that it is current."""
