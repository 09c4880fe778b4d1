"""Two replicas of the real server on a real PostgreSQL, behind a real HAProxy."""
