"""Servers: thin shells over inference. Each parses a request, calls the core, maps exceptions."""
