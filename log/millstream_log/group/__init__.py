"""Consumer groups as pure state machines: committed offsets now, membership next."""
