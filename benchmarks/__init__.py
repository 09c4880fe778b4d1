"""How fast the client is: a small script for each figure, and the program that runs them all.

A script measures whichever client its interpreter has installed, and prints what it found as one
line of JSON: names, and seconds or bytes for each.
"""
