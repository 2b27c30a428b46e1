"""Producer, consumer and admin over a transport."""
