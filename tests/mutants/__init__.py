"""Defects, planted one at a time: each must turn the tests of both faces red."""
