"""Generate the bindings and the sync client, and check that they are up to date."""
