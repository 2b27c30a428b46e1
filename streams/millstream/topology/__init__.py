"""Topology: the graph as values, cut into subtopologies, checked and described."""
