"""What the client needs of httpx and anyio: clients, connections, tasks."""
