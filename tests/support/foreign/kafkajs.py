"""kafkajs, in a Node process that takes commands over a pipe (tests/support/kafkajs)."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from .client import EARLIEST, LATEST, PLAIN, SECONDS, Member, Row, Seen, Writer, Writing

ROOT = Path(__file__).resolve().parents[3]
DRIVER = ROOT / "tests" / "support" / "kafkajs"
WHERE = ROOT / ".cache" / "kafkajs"

_CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


class KafkajsError(Exception):
    """What a call was rejected with."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error.get('name')}: {error.get('message')}")
        self.kind = error.get("type") or error.get("name")  # Kafka's name of the error, if any


class Kafkajs:
    """The client for Node in plain JavaScript; `start` runs it, `close` ends it."""

    name = "kafkajs"
    sets_time = True

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", str(DRIVER / "driver.js"), str(WHERE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._ids = itertools.count()
        self._answers: dict[int, Future[Any]] = {}
        self._events: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._known: set[str] = set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(SECONDS)

    def call(self, on: str, method: str, *given: Any, store: str | None = None) -> Any:
        """Call a method of an object; keep what it returns under the name `store`."""
        number = next(self._ids)
        answer = self._answers[number] = Future()
        command = {"id": number, "on": on, "call": method, "with": given}
        if store is not None:
            command["as"] = store
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command, default=_pack).encode() + b"\n")
        self._process.stdin.flush()
        try:
            return answer.result(2 * SECONDS)
        except TimeoutError:
            raise AssertionError(f"kafkajs: {on}.{method} is not answered") from None

    def make(self, bootstrap: str, kind: str, **options: Any) -> str:
        """Make a connected producer, consumer or admin; return its name."""
        if bootstrap not in self._known:
            retry = {"initialRetryTime": 50, "retries": 8}
            self.call(bootstrap, "new", {"brokers": [bootstrap], "retry": retry})
            self._known.add(bootstrap)
        name = f"{kind} {next(self._ids)}"
        self.call(bootstrap, kind, options, store=name)
        self.call(name, "connect")
        return name

    def listen(self, name: str, take: Callable[[dict[str, Any]], None]) -> None:
        """Let `take` have what a consumer says."""
        self._events[name] = take

    def writer(self, bootstrap: str, how: Writing = PLAIN) -> Writer:
        """Open a producer."""
        return _Writer(self, bootstrap, how)

    def read(
        self,
        bootstrap: str,
        topic: str,
        count: int,
        *,
        start: int = EARLIEST,
        committed_only: bool = False,
    ) -> list[Seen]:
        """Read from partition 0 as a group of one, which is the only way."""
        found: queue.Queue[Seen] = queue.Queue()
        group = f"reader {next(self._ids)} of {topic}"
        reader = consumer(self, bootstrap, group, readUncommitted=not committed_only)
        self.listen(
            reader, lambda event: found.put(seen(event["record"])) if "record" in event else None
        )
        self.call(reader, "subscribe", {"topics": [topic], "fromBeginning": start != LATEST})
        self.call(reader, "run", {"commit": False})
        if start >= 0:
            self.call(reader, "seek", {"topic": topic, "partition": 0, "offset": str(start)})
        try:
            records = [found.get(timeout=SECONDS) for _ in range(count)]
        except queue.Empty:
            raise AssertionError(f"fewer than {count} records came") from None
        self.call(reader, "disconnect")
        return records

    def offset_at(self, bootstrap: str, topic: str, timestamp_ms: int) -> int:
        """Look a time up."""
        admin = self.make(bootstrap, "admin")
        found = self.call(admin, "fetchTopicOffsetsByTimestamp", topic, timestamp_ms)
        self.call(admin, "disconnect")
        return int(next(one["offset"] for one in found if one["partition"] == 0))

    def join(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        *,
        assignor: str = "range",
        instance_id: str | None = None,
        limit: int | None = None,
    ) -> Member:
        """Become a member; kafkajs has no static ones."""
        assert instance_id is None
        return _Member(self, bootstrap, group, topic, assignor, limit)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                said = json.loads(line, object_hook=_unpack)
                if "of" in said:
                    self._events.get(said["of"], _ignore)(said)
                elif "error" in said:
                    self._answers.pop(said["id"]).set_exception(KafkajsError(said["error"]))
                else:
                    self._answers.pop(said["id"]).set_result(said.get("result"))


def why_missing() -> str | None:
    """Return why there is no kafkajs, after installing it where it is not yet."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            return f"kafkajs needs {program}, which is not installed"
    WHERE.mkdir(parents=True, exist_ok=True)
    wanted = (DRIVER / "package.json").read_text()
    with (WHERE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = WHERE / ".installed"
        if stamp.exists() and stamp.read_text() == wanted:
            return None
        (WHERE / "package.json").write_text(wanted)
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"],
            cwd=WHERE,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            return f"kafkajs cannot be installed: {done.stderr.strip()[-200:]}"
        stamp.write_text(wanted)
    return None


def consumer(node: Kafkajs, bootstrap: str, group: str, **options: Any) -> str:
    """Make a consumer that notices changes of its group soon."""
    return node.make(
        bootstrap,
        "consumer",
        groupId=group,
        heartbeatInterval=100,
        maxWaitTimeInMs=100,
        sessionTimeout=6000,
        rebalanceTimeout=10_000,
        **options,
    )


def seen(record: dict[str, Any]) -> Seen:
    """Return a record in the words of the tests."""
    headers = [
        (name, value)
        for name, values in (record.get("headers") or {}).items()
        for value in (values if isinstance(values, list) else [values])
    ]
    row = Row(record["value"], record["key"], tuple(headers), int(record["timestamp"]))
    return Seen(record["partition"], int(record["offset"]), row)


def _message(row: Row, partition: int) -> dict[str, Any]:
    headers: dict[str, list[bytes | None]] = {}
    for name, value in row.headers:
        headers.setdefault(name, []).append(value)
    message: dict[str, Any] = {
        "key": row.key,
        "value": row.value,
        "partition": partition,
        "headers": {
            name: values[0] if len(values) == 1 else values for name, values in headers.items()
        },
    }
    if row.timestamp_ms is not None:
        message["timestamp"] = str(row.timestamp_ms)
    return message


def _ignore(_: dict[str, Any]) -> None:
    """Take what nobody listens to."""


def _pack(value: object) -> dict[str, str]:
    assert isinstance(value, bytes)
    return {"$bytes": base64.b64encode(value).decode()}


def _unpack(found: dict[str, Any]) -> Any:
    return base64.b64decode(found["$bytes"]) if "$bytes" in found else found


class _Writer:
    """A producer in the Node process, and its transaction."""

    def __init__(self, node: Kafkajs, bootstrap: str, how: Writing) -> None:
        self._node, self._how = node, how
        options: dict[str, Any] = {"idempotent": how.idempotent}
        if how.transactional_id is not None:
            options = {
                "idempotent": True,
                "maxInFlightRequests": 1,
                "transactionalId": how.transactional_id,
                "transactionTimeout": how.timeout_ms,
            }
        self._producer = self._target = node.make(bootstrap, "producer", **options)

    def send(self, topic: str, rows: Sequence[Row], partition: int = 0) -> None:
        asked = {
            "topic": topic,
            "acks": self._how.acks,
            "compression": _CODECS[self._how.codec],
            "messages": [_message(row, partition) for row in rows],
        }
        self._node.call(self._target, "send", asked)

    def close(self) -> None:
        self._node.call(self._producer, "disconnect")

    def begin(self) -> None:
        self._target = f"transaction of {self._producer}"
        self._node.call(self._producer, "transaction", store=self._target)

    def send_offset(self, group: str, topic: str, offset: int) -> None:
        partitions = [{"partition": 0, "offset": str(offset)}]
        asked = {"consumerGroupId": group, "topics": [{"topic": topic, "partitions": partitions}]}
        self._node.call(self._target, "sendOffsets", asked)

    def commit(self) -> None:
        self._node.call(self._target, "commit")

    def abort(self) -> None:
        self._node.call(self._target, "abort")


class _Member:
    """A consumer in the Node process that commits after each record."""

    def __init__(
        self,
        node: Kafkajs,
        bootstrap: str,
        group: str,
        topic: str,
        assignor: str,
        limit: int | None,
    ) -> None:
        self.reads: list[tuple[int, int]] = []
        self.assignment: set[int] = set()
        self._crashed: str | None = None
        self._topic = topic
        self._node = node
        self._name = consumer(node, bootstrap, group, partitionAssigners=[assignor])
        node.listen(self._name, self._take)
        node.call(self._name, "subscribe", {"topics": [topic], "fromBeginning": True})
        node.call(self._name, "run", {"commit": True} | ({} if limit is None else {"limit": limit}))

    def check(self) -> None:
        """Fail when the consumer has crashed."""
        assert self._crashed is None, self._crashed

    def leave(self) -> None:
        """Leave the group."""
        self._node.call(self._name, "disconnect")
        self.assignment = set()
        self.check()

    def _take(self, event: dict[str, Any]) -> None:
        if "record" in event:
            found = seen(event["record"])
            self.reads.append((found.partition, found.offset))
        elif "joined" in event:
            self.assignment = set(event["joined"].get(self._topic, ()))
        else:
            self._crashed = event["crashed"]
