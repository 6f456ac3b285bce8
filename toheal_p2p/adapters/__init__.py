"""The world outside: files, sockets, clocks. The only home of asyncio and threads."""
