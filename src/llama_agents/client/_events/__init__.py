"""Event classes built from the JSON schemas that a server publishes."""
