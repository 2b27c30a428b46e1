"""Java programs against a broker: Kafka's own tools, kept warm in one machine, and ours.

Invariants: whatever is started here is ended here, by its process id; whatever does not answer in
its time is killed, and the failure shows what it had said.
"""

from __future__ import annotations

import json
import select
import shlex
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from kafka_dump import ROOT

from millstream_log.testing import RunningBroker

SOURCES = ROOT / "tests" / "support" / "java"
OPTIONS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256M"]
"""What makes a short life start fast."""

END = b"\n\x04"

SCRIPTS = {
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-client-metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-e2e-latency": "org.apache.kafka.tools.EndToEndLatency",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-streams-application-reset": "org.apache.kafka.tools.StreamsResetter",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
    # What follows ships without a script of its own, for Kafka's system tests.
    "client-compatibility-test": "org.apache.kafka.tools.ClientCompatibilityTest",
    "transactional-message-copier": "org.apache.kafka.tools.TransactionalMessageCopier",
}
BROKER_OPTION = {"transactional-message-copier": "--broker-list"}
BROKER_LAST = {"kafka-cluster"}  # whose options follow a word of command


class Printed(NamedTuple):
    """What a tool printed, and how it ended."""

    text: str
    status: int

    @property
    def lines(self) -> list[str]:
        """Return the lines that say something."""
        return [line.rstrip() for line in self.text.splitlines() if line.strip()]

    @property
    def rows(self) -> list[list[str]]:
        """Return the lines as words."""
        return [line.split() for line in self.lines]


def compiled(kafka_dir: Path, classes: Path, *names: str) -> str:
    """Compile programs of ours against the jars; return a class path that has both."""
    jars = str(kafka_dir / "libs" / "*")
    sources = [str(SOURCES / f"{name}.java") for name in names]
    command = ["javac", "-cp", jars, "-d", str(classes), *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return f"{classes}:{jars}"


class Machine:
    """A Java machine that runs Kafka's tools, one call after another."""

    def __init__(self, class_path: str) -> None:
        opened = "--add-opens=java.base/java.lang=ALL-UNNAMED"
        self._command = ["java", *OPTIONS, opened, "-cp", class_path, "Tools"]
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, tool: str, arguments: list[str], stdin: str, seconds: float) -> Printed:
        """Run a tool, named by its class, and wait for its end."""
        process = self._started()
        asked = {"tool": tool, "arguments": arguments, "input": stdin}
        assert process.stdin is not None
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        said, _, status = self._read(process, seconds).rpartition(END)
        return Printed(said.decode(errors="replace"), int(status))

    def close(self) -> None:
        """End the machine."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
            )
        return self._process

    def _read(self, process: subprocess.Popen[bytes], seconds: float) -> bytes:
        """Return what comes, up to the end mark and the status."""
        assert process.stdout is not None
        deadline = time.monotonic() + seconds
        said = b""
        while not (END in said and said.endswith(b"\n")):
            left = max(0.0, deadline - time.monotonic())
            more = b""
            if select.select([process.stdout], [], [], left)[0]:
                more = process.stdout.read(65536)
            if not more:
                self.close()
                raise AssertionError(f"no end within {seconds} s: {said.decode()[-4000:]}")
            said += more
        return said


class Shell:
    """Kafka's scripts, as one types them, against one broker."""

    def __init__(self, machine: Machine, broker: RunningBroker) -> None:
        self.broker = broker
        self._machine = machine

    def __call__(
        self, words: str, *more: str, stdin: str = "", status: int = 0, seconds: float = 30.0
    ) -> Printed:
        """Run a script, which must end with `status`; `more` are words that hold spaces."""
        script, *arguments = [*shlex.split(words), *more]
        where = [BROKER_OPTION.get(script, "--bootstrap-server"), self.broker.bootstrap]
        arguments = [*arguments, *where] if script in BROKER_LAST else [*where, *arguments]
        printed = self._machine.run(SCRIPTS[script], arguments, stdin, seconds)
        assert printed.status == status, f"{words}: ended with {printed.status}: {printed.text}"
        return printed
