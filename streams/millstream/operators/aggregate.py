"""Aggregates: what each keeps in its slots, how a value is added, what it answers.

An aggregate never sees the loop it runs in: it writes the few lines of Python that add a value
`x` (event time `t`) to its slots, and the fused loop takes them in. None is not added, as in
SQL: `count()` counts events, `count(F.x)` those whose x is there.

    aggregate        slots                      order matters
    count            n                          no
    sum              total                      no
    mean             total, n                   no
    min, max         the extreme                no
    first, last      value, its event time      by event time; of equals the first / last to come
    count_distinct   a set                      no
    top_k            a dict value -> weight     no
    aggregate        whatever `init` makes      as `add` decides

Invariants: what is in a slot survives msgpack; `update` touches only its own slots.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import TopologyError

Argument = Any
"""A field expression or a callable of the value; None where an aggregate takes none."""


class Slot(msgspec.Struct, frozen=True):
    """One field of an accumulator: its type on disk, and the value it starts with."""

    kind: Any
    default: Any


class Aggregator(msgspec.Struct, frozen=True):
    """The base of aggregates. `arguments` are compiled by the loop and handed to `update`."""

    @property
    def name(self) -> str:
        """Return the aggregate's name, part of the store's schema."""
        return type(self).__name__.lower()

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Return the expressions or callables whose values `update` is given."""
        return ()

    @property
    def never_fails(self) -> bool:
        """Whether `update` takes whatever value it is given."""
        return False

    def slots(self) -> tuple[Slot, ...]:
        """Return what the aggregate keeps for each key."""
        raise NotImplementedError

    def update(self, s: list[str], x: list[str], t: str) -> list[str]:
        """Return Python lines that add values `x` at event time `t` to the slots `s`."""
        raise NotImplementedError

    def result(self, s: list[str]) -> str:
        """Return a Python expression of the answer."""
        return s[0]

    def constants(self) -> dict[str, Any]:
        """Return the names that `update` and `result` need, with what they stand for."""
        return {}


class Count(Aggregator, frozen=True):
    """How many events, or how many whose argument is not None."""

    argument: Argument = None

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Return the argument where there is one."""
        return () if self.argument is None else (self.argument,)

    @property
    def never_fails(self) -> bool:
        """Counting asks nothing of a value."""
        return True

    def slots(self) -> tuple[Slot, ...]:
        """Keep the count."""
        return (Slot(int, 0),)

    def update(self, s: list[str], x: list[str], t: str) -> list[str]:
        """Count one more."""
        if not x:
            return [f"{s[0]} += 1"]
        return [f"if {x[0]} is not None: {s[0]} += 1"]


class _One(Aggregator, frozen=True):
    argument: Argument

    @property
    def arguments(self) -> tuple[Argument, ...]:
        return (self.argument,)


class Sum(_One, frozen=True):
    """The sum of the argument; 0 of none."""

    def slots(self) -> tuple[Slot, ...]:
        """Keep the total."""
        return (Slot(Any, 0),)

    def update(self, s: list[str], x: list[str], t: str) -> list[str]:
        """Add the value."""
        return [f"x = {x[0]}", f"if x is not None: {s[0]} += x"]


class Mean(_One, frozen=True):
    """The arithmetic mean of the argument; None of none."""

    def slots(self) -> tuple[Slot, ...]:
        """Keep the total and the count."""
        return (Slot(Any, 0), Slot(int, 0))

    def update(self, s: list[str], x: list[str], t: str) -> list[str]:
        """Add the value and count it."""
        return [f"x = {x[0]}", f"if x is not None: {s[0]} += x; {s[1]} += 1"]

    def result(self, s: list[str]) -> str:
        """Divide."""
        return f"({s[0]} / {s[1]} if {s[1]} else None)"


class _Extreme(_One, frozen=True):
    def slots(self) -> tuple[Slot, ...]:
        """Keep the extreme so far."""
        return (Slot(Any, None),)

    def _keep(self, sign: str, s: list[str], x: list[str]) -> list[str]:
        return [
            f"x = {x[0]}",
            f"if x is not None and ({s[0]} is None or x {sign} {s[0]}): {s[0]} = x",
        ]


class Min(_Extreme, frozen=True):
    """The smallest value of the argument; None of none."""

    def update(self, s: list[str], x: list[str], t: str) -> list[str]:
        """Keep the smaller."""
        return self._keep("<", s, x)


class Max(_Extreme, frozen=True):
    """The largest value of the argument; None of none."""

    def update(self, s: list[str], x: list[str], t: str) -> list[str]:
        """Keep the larger."""
        return self._keep(">", s, x)


class _Ordered(_One, frozen=True):
    @property
    def never_fails(self) -> bool:
        """Keeping a value asks nothing of it."""
        return True

    def slots(self) -> tuple[Slot, ...]:
        """Keep the value and its event time."""
        return (Slot(Any, None), Slot(int | None, None))

    def _keep(self, sign: str, s: list[str], x: list[str], t: str) -> list[str]:
        return [
            f"x = {x[0]}",
            f"if x is not None and ({s[1]} is None or {t} {sign} {s[1]}): {s[0]} = x; {s[1]} = {t}",
        ]


class First(_Ordered, frozen=True):
    """The argument of the event with the smallest event time."""

    def update(self, s: list[str], x: list[str], t: str) -> list[str]:
        """Keep the earlier; of equals the one that came first."""
        return self._keep("<", s, x, t)


class Last(_Ordered, frozen=True):
    """The argument of the event with the largest event time."""

    def update(self, s: list[str], x: list[str], t: str) -> list[str]:
        """Keep the later; of equals the one that came last."""
        return self._keep(">=", s, x, t)


class CountDistinct(_One, frozen=True):
    """How many different values the argument has, exactly."""

    def slots(self) -> tuple[Slot, ...]:
        """Keep the set of values."""
        return (Slot(set[Any], set()),)

    def update(self, s: list[str], x: list[str], t: str) -> list[str]:
        """Put the value into the set."""
        return [f"x = {x[0]}", f"if x is not None: {s[0]}.add(x)"]

    def result(self, s: list[str]) -> str:
        """Count the set."""
        return f"len({s[0]})"


def rank(weights: dict[Any, Any], k: int) -> list[tuple[Any, Any]]:
    """Return the `k` values of largest weight with their weights, ties by the value.

    >>> rank({"/b": 2, "/a": 2, "/c": 9}, 2)
    [('/c', 9), ('/a', 2)]
    """
    return sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:k]


class TopK(Aggregator, frozen=True):
    """The `k` values of the argument that come most often, exactly, or that weigh most."""

    argument: Argument
    k: int
    weight: Argument = None

    @property
    def name(self) -> str:
        """Return the name with k."""
        return f"topk{self.k}"

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Return the argument, and the weight where there is one."""
        return (self.argument,) if self.weight is None else (self.argument, self.weight)

    def slots(self) -> tuple[Slot, ...]:
        """Keep the weight of every value."""
        return (Slot(dict[Any, Any], {}),)

    def update(self, s: list[str], x: list[str], t: str) -> list[str]:
        """Add one, or the weight."""
        weight = x[1] if len(x) > 1 else "1"
        return [
            f"x = {x[0]}; d = {s[0]}",
            f"if x is not None: d[x] = d.get(x, 0) + {weight}",
        ]

    def result(self, s: list[str]) -> str:
        """Rank them."""
        return f"_rank({s[0]}, {self.k})"

    def constants(self) -> dict[str, Any]:
        """Bring the ranking function."""
        return {"_rank": rank}


_PLAIN = (bool, int, float, str, bytes, list, dict, type(None))
"""Types that msgpack tells apart by itself; a state that begins as an int may become a float."""


class Custom(_One, frozen=True):
    """An aggregate of the user's own: `init()`, `add(state, x)`, `result(state)`."""

    init: Callable[[], Any]
    add: Callable[[Any, Any], Any]
    answer: Callable[[Any], Any]

    def slots(self) -> tuple[Slot, ...]:
        """Keep what `init` makes, and read it back as the type it was."""
        kind = type(self.init())
        return (Slot(Any if kind in _PLAIN else kind | None, None),)

    def update(self, s: list[str], x: list[str], t: str) -> list[str]:
        """Start the state when it is not there, and add to it."""
        own = self._names()
        return [f"if {s[0]} is None: {s[0]} = {own[0]}()", f"{s[0]} = {own[1]}({s[0]}, {x[0]})"]

    def result(self, s: list[str]) -> str:
        """Ask the user's function."""
        return f"{self._names()[2]}({s[0]})"

    def constants(self) -> dict[str, Any]:
        """Bring the user's functions."""
        return dict(zip(self._names(), (self.init, self.add, self.answer), strict=True))

    def _names(self) -> tuple[str, str, str]:
        tag = f"{id(self):x}"
        return f"_init_{tag}", f"_add_{tag}", f"_answer_{tag}"


def count(argument: Argument = None) -> Count:
    """Count events, or those whose `argument` is not None."""
    return Count(argument)


def sum(argument: Argument) -> Sum:  # noqa: A001  # the name the field has for it
    """Add up `argument`."""
    return Sum(argument)


def mean(argument: Argument) -> Mean:
    """Take the arithmetic mean of `argument`."""
    return Mean(argument)


def min(argument: Argument) -> Min:  # noqa: A001  # the name the field has for it
    """Keep the smallest `argument`."""
    return Min(argument)


def max(argument: Argument) -> Max:  # noqa: A001  # the name the field has for it
    """Keep the largest `argument`."""
    return Max(argument)


def first(argument: Argument) -> First:
    """Keep the `argument` of the earliest event."""
    return First(argument)


def last(argument: Argument) -> Last:
    """Keep the `argument` of the latest event."""
    return Last(argument)


def count_distinct(argument: Argument) -> CountDistinct:
    """Count the different values of `argument`, exactly: the set of them is kept."""
    return CountDistinct(argument)


def top_k(argument: Argument, k: int, weight: Argument = None) -> TopK:
    """List the `k` most frequent values of `argument` as (value, count), ties by the value.

    With `weight` the values are ranked by the sum of it. Every value is kept with its count.
    """
    if k < 1:
        raise TopologyError(f"top_k of {k}: k is at least 1")
    return TopK(argument, k, weight)


def aggregate(
    argument: Argument,
    *,
    init: Callable[[], Any],
    add: Callable[[Any, Any], Any],
    result: Callable[[Any], Any] = lambda state: state,
) -> Custom:
    """Aggregate by functions of your own: `result(add(add(init(), x), x))`.

    The state is kept as msgpack: numbers, text, list, dict, set, tuple, a Record or a dataclass,
    and never None. Unlike the others, `add` is given a None.
    """
    state = init()
    kind = type(state)
    try:
        msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=kind)
    except (TypeError, msgspec.MsgspecError):
        raise TopologyError(
            f"aggregate: init makes a {kind.__name__}, which a store cannot read back; keep a "
            "number, text, list, dict, set, tuple, Record or dataclass"
        ) from None
    return Custom(argument, init, add, result)
