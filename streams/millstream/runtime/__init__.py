"""Runtime: fused loops, tasks, commits, and the worker that drives them."""
