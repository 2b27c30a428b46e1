"""The broker behind a TCP listener: sockets, frames, limits; nothing of what a request means."""
