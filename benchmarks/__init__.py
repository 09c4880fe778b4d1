"""Benchmarks: one small script per figure, and the program that runs them all.

A script measures the client that is installed for its interpreter and prints the results as one
line of JSON: for each name, a list of seconds or bytes. `figures` says which scripts are run with
what sizes, and what is a goal; `laboratory` runs them; `page` writes the results.
"""
