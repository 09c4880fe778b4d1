"""What a release is built with, how, and what users install with it."""
