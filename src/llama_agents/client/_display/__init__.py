"""What a person sees: values as text, tables of a notebook, and the live view of a run.

Everything that a server sends is shown as text: bounded, on one line, and without control
characters, markup or colours of its own.
"""
