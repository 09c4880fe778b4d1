"""Servers and workflows that tests of several folders share."""
