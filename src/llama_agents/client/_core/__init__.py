"""Every rule of the client, sans-I/O: no client, no clock, no sleep."""
