"""A plan as text and as Mermaid."""

from __future__ import annotations

from collections.abc import Iterator

from .node import Node, RepartitionNode, source_topic
from .plan import Plan, Subtopology


def describe(plan: Plan) -> str:
    """Return the plan as indented text, subtopology by subtopology."""
    lines = [f"app {plan.app}"]
    for subtopology in plan.subtopologies:
        count = subtopology.partitions
        lines.append(f"  subtopology {subtopology.name} ({count} task{'s' * (count != 1)})")
        for source in subtopology.sources:
            lines.append(f"    {_source(source)}")
            lines += _below(source, 3, subtopology)
    return "\n".join(lines)


def _source(node: Node) -> str:
    word = node.operator if node.parents == () else "source"
    return f"{word} {source_topic(node).name}"


def _below(node: Node, depth: int, subtopology: Subtopology) -> Iterator[str]:
    for child in node.children:
        if child not in subtopology.nodes:
            continue
        yield f"{'  ' * depth}{child.operator} {child.detail}".rstrip()
        if not (isinstance(child, RepartitionNode) and child.topic is not None):
            yield from _below(child, depth + 1, subtopology)


def mermaid(plan: Plan) -> str:
    """Return the plan as a Mermaid flowchart."""
    lines = ["flowchart LR"]
    for i, subtopology in enumerate(plan.subtopologies):
        lines.append(f'  subgraph s{i}["{subtopology.name}"]')
        for node in subtopology.nodes:
            text = f"{node.operator} {node.detail}".strip().replace('"', "'")
            lines.append(f'    n{node.order}["{text}"]')
        lines.append("  end")
    for subtopology in plan.subtopologies:
        for node in subtopology.nodes:
            lines += [f"  n{parent.order} --> n{node.order}" for parent in node.parents]
    return "\n".join(lines)
