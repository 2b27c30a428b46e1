"""Field expressions: what a lambda would say, in a form that can be read and compiled.

    F.page == "/home"            a field of the value compared with a constant
    (F.ms > 200) & ~F.bot        and, or, not (Python's own, so the right side may not be reached)
    L.user, R.name               in a join: fields of the left and of the right value
    KEY                          the event's key

An expression is a small tree. `__source__(scope)` writes it as Python for the fused loop;
calling it with a value evaluates it there and then. Both give the same answer.

Invariants: an expression never changes; `__fields__(root)` names every field of `root` it reads,
or ALL when it reads the whole.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

VALUE, KEY_ROOT, LEFT, RIGHT = "value", "key", "left", "right"

Step = str | int
"""One step of a field's path: a name, or a place in a list."""

ALL = None
"""As an answer of `__fields__`: the whole object is used."""


class Scope(Protocol):
    """Where an expression is compiled to: names for roots and constants."""

    def field(self, root: str, path: tuple[Step, ...]) -> str:
        """Return Python that reads a field (an empty path: the whole object)."""
        ...

    def constant(self, value: Any) -> str:
        """Return Python that stands for a constant."""
        ...

    def row(self, columns: tuple[str, ...]) -> str:
        """Return Python that makes a row when called with these columns' values."""
        ...


def read_field(value: Any, name: Step) -> Any:
    """Return a field of a struct, or an entry of a dict or a list."""
    if isinstance(value, Mapping) or isinstance(name, int):
        return value[name]
    return getattr(value, name)


class Expr:
    """The base of expressions: operators make trees, a call evaluates one."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __source__(self, scope: Scope) -> str:
        """Return the expression as Python source."""
        raise NotImplementedError

    def __evaluate__(self, roots: Mapping[str, Any]) -> Any:
        """Return the expression's value for these roots."""
        raise NotImplementedError

    def __fields__(self, root: str) -> frozenset[str] | None:
        """Return the names of the fields of `root` that are read, or ALL."""
        raise NotImplementedError

    def __call__(self, value: Any) -> Any:
        """Evaluate on a value."""
        return self.__evaluate__({VALUE: value})

    def __bool__(self) -> bool:
        raise TypeError(
            "an expression has no truth of its own: write & for and, | for or, ~ for not, "
            "with parentheses round the comparisons"
        )

    def __eq__(self, other: object) -> Binary:  # type: ignore[override]
        return Binary("==", self, other)

    def __ne__(self, other: object) -> Binary:  # type: ignore[override]
        return Binary("!=", self, other)

    def __lt__(self, other: Any) -> Binary:
        return Binary("<", self, other)

    def __le__(self, other: Any) -> Binary:
        return Binary("<=", self, other)

    def __gt__(self, other: Any) -> Binary:
        return Binary(">", self, other)

    def __ge__(self, other: Any) -> Binary:
        return Binary(">=", self, other)

    def __add__(self, other: Any) -> Binary:
        return Binary("+", self, other)

    def __radd__(self, other: Any) -> Binary:
        return Binary("+", other, self)

    def __sub__(self, other: Any) -> Binary:
        return Binary("-", self, other)

    def __rsub__(self, other: Any) -> Binary:
        return Binary("-", other, self)

    def __mul__(self, other: Any) -> Binary:
        return Binary("*", self, other)

    def __rmul__(self, other: Any) -> Binary:
        return Binary("*", other, self)

    def __truediv__(self, other: Any) -> Binary:
        return Binary("/", self, other)

    def __rtruediv__(self, other: Any) -> Binary:
        return Binary("/", other, self)

    def __floordiv__(self, other: Any) -> Binary:
        return Binary("//", self, other)

    def __rfloordiv__(self, other: Any) -> Binary:
        return Binary("//", other, self)

    def __mod__(self, other: Any) -> Binary:
        return Binary("%", self, other)

    def __rmod__(self, other: Any) -> Binary:
        return Binary("%", other, self)

    def __and__(self, other: Any) -> Binary:
        return Binary("and", self, other)

    def __rand__(self, other: Any) -> Binary:
        return Binary("and", other, self)

    def __or__(self, other: Any) -> Binary:
        return Binary("or", self, other)

    def __ror__(self, other: Any) -> Binary:
        return Binary("or", other, self)

    def __invert__(self) -> Apply:
        return Apply("not", (self,))

    def __neg__(self) -> Apply:
        return Apply("-", (self,))


class Field(Expr):
    """A field of a root, or the root itself (an empty path). Attributes and indexes go deeper."""

    __slots__ = ("_path", "_root")
    __iter__ = None  # with an index of any number, iterating would never end

    def __init__(self, root: str, path: tuple[Step, ...] = ()) -> None:
        self._root = root
        self._path = path

    def __getattr__(self, name: str) -> Field:
        if name.startswith("_") and name.endswith("_"):  # a protocol's method, not a field
            raise AttributeError(name)
        return Field(self._root, (*self._path, name))

    def __getitem__(self, name: Step) -> Field:
        return Field(self._root, (*self._path, name))

    def __source__(self, scope: Scope) -> str:
        """Return Python that reads the field."""
        return scope.field(self._root, self._path)

    def __evaluate__(self, roots: Mapping[str, Any]) -> Any:
        """Return the field of the root it belongs to."""
        value = roots[self._root]
        for name in self._path:
            value = read_field(value, name)
        return value

    def __fields__(self, root: str) -> frozenset[str] | None:
        """Return the first name of the path when the root is the one asked for."""
        if root != self._root:
            return frozenset()
        first = self._path[0] if self._path else None
        return frozenset((first,)) if isinstance(first, str) else ALL

    def __repr__(self) -> str:
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self._path)
        return "".join((_ROOT_NAMES[self._root], *steps))


def path_of(field: Field) -> tuple[Step, ...]:
    """Return the steps from a field's root to it; none for the root itself."""
    return field._path


_ROOT_NAMES = {VALUE: "F", KEY_ROOT: "KEY", LEFT: "L", RIGHT: "R"}


def _wrap(operand: Any) -> Expr:
    return operand if isinstance(operand, Expr) else Const(operand)


def _union(parts: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    names: set[str] = set()
    for part in parts:
        if part is ALL:
            return ALL
        names |= part
    return frozenset(names)


class Const(Expr):
    """A constant."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __source__(self, scope: Scope) -> str:
        """Return the name or literal of the constant."""
        return scope.constant(self._value)

    def __evaluate__(self, roots: Mapping[str, Any]) -> Any:
        """Return the constant."""
        return self._value

    def __fields__(self, root: str) -> frozenset[str] | None:
        """Return no names: a constant reads nothing."""
        return frozenset()

    def __repr__(self) -> str:
        if isinstance(self._value, frozenset):  # in an order that every run has
            return f"{{{', '.join(sorted(map(repr, self._value)))}}}"
        return repr(self._value)


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


class Binary(Expr):
    """Two operands and an operator."""

    __slots__ = ("_left", "_operator", "_right")

    def __init__(self, symbol: str, left: Any, right: Any) -> None:
        self._operator = symbol
        self._left = _wrap(left)
        self._right = _wrap(right)

    def __source__(self, scope: Scope) -> str:
        """Return the operation in parentheses."""
        return f"({self._left.__source__(scope)} {self._operator} {self._right.__source__(scope)})"

    def __evaluate__(self, roots: Mapping[str, Any]) -> Any:
        """Return the result; `and` and `or` stop at the left side where Python does."""
        left = self._left.__evaluate__(roots)
        if self._operator == "and":
            return left and self._right.__evaluate__(roots)
        if self._operator == "or":
            return left or self._right.__evaluate__(roots)
        return _BINARY[self._operator](left, self._right.__evaluate__(roots))

    def __fields__(self, root: str) -> frozenset[str] | None:
        """Return the names that either side reads."""
        return _union((self._left.__fields__(root), self._right.__fields__(root)))

    def __repr__(self) -> str:
        return f"({self._left!r} {self._operator} {self._right!r})"


class Apply(Expr):
    """A function of expressions: `not`, `-`, `is_null`, `is_in`, or the user's own."""

    __slots__ = ("_arguments", "_function")

    def __init__(self, function: str | Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._function = function
        self._arguments = tuple(_wrap(argument) for argument in arguments)

    def __source__(self, scope: Scope) -> str:
        """Return the call, or the operator written out."""
        arguments = [argument.__source__(scope) for argument in self._arguments]
        if self._function == "is_null":
            return f"({arguments[0]} is None)"
        if self._function == "is_in":
            return f"({arguments[0]} in {arguments[1]})"
        if isinstance(self._function, str):
            return f"({self._function} {arguments[0]})"
        return f"{scope.constant(self._function)}({', '.join(arguments)})"

    def __evaluate__(self, roots: Mapping[str, Any]) -> Any:
        """Return the function's value."""
        arguments = [argument.__evaluate__(roots) for argument in self._arguments]
        if isinstance(self._function, str):
            return _FUNCTIONS[self._function](*arguments)
        return self._function(*arguments)

    def __fields__(self, root: str) -> frozenset[str] | None:
        """Return the names that the arguments read."""
        return _union(argument.__fields__(root) for argument in self._arguments)

    def __repr__(self) -> str:
        name = self._function
        if not isinstance(name, str):
            name = getattr(name, "__name__", repr(name))
        return f"{name}({', '.join(map(repr, self._arguments))})"


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "not": operator.not_,
    "-": operator.neg,
    "is_null": lambda value: value is None,
    "is_in": lambda value, values: value in values,
}

F = Field(VALUE)
"""The event's value: `F.page` is its field page, `F` the value itself."""
KEY = Field(KEY_ROOT)
"""The event's key."""
L = Field(LEFT)
"""In a join's `into=`: the left value, the stream's."""
R = Field(RIGHT)
"""In a join's `into=`: the right value, the table's (None where a left join found nothing)."""


def is_null(expression: Any) -> Expr:
    """Return an expression that is true where `expression` is None.

    >>> is_null(F.page)({"page": None})
    True
    """
    return Apply("is_null", (expression,))


def is_in(expression: Any, values: Iterable[Any]) -> Expr:
    """Return an expression that is true where `expression` is one of `values`.

    >>> is_in(F.status, [404, 410])({"status": 404})
    True
    """
    return Apply("is_in", (expression, frozenset(values)))


def apply(function: Callable[..., Any], *arguments: Any) -> Expr:
    """Return an expression that calls `function` with the values of `arguments`.

    >>> apply(len, F.page)({"page": "/a"})
    2
    """
    return Apply(function, arguments)


class RowExpr(Expr):
    """Named expressions that make one row; see `row`."""

    __slots__ = ("columns",)

    def __init__(self, columns: dict[str, Any]) -> None:
        self.columns = {name: _wrap(column) for name, column in columns.items()}

    def __evaluate__(self, roots: Mapping[str, Any]) -> dict[str, Any]:
        """Return the row as a dict."""
        return {name: column.__evaluate__(roots) for name, column in self.columns.items()}

    def __source__(self, scope: Scope) -> str:
        """Return the call that makes the row."""
        arguments = ", ".join(column.__source__(scope) for column in self.columns.values())
        return f"{scope.row(tuple(self.columns))}({arguments})"

    def __fields__(self, root: str) -> frozenset[str] | None:
        """Return the names that any column reads."""
        return _union(column.__fields__(root) for column in self.columns.values())

    def __repr__(self) -> str:
        return f"row({', '.join(f'{name}={column!r}' for name, column in self.columns.items())})"


def row(**columns: Any) -> RowExpr:
    """Return an expression that makes a row of named columns.

    >>> row(page=F.page, slow=F.ms > 200)({"page": "/a", "ms": 250})
    {'page': '/a', 'slow': True}
    """
    return RowExpr(columns)
