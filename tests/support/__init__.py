"""What the tests run against: workflows on the real server, and a server that follows a script."""
