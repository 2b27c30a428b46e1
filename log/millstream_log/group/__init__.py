"""Consumer groups as pure state machines: membership, rebalances, committed offsets."""
