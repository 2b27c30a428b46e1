"""One file for each family of APIs; each handler is `async (host, request) -> response`."""
