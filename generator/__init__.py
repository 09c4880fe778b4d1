"""Generates the bindings and the sync client, and checks that they are up to date."""
