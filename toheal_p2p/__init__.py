"""The client: local process, command line and (later) local page."""
