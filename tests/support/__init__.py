"""What the tests run against: sample workflows on the real server, and a server that follows a script."""
