"""Broker configs of Kafka that have no effect here: accepted, shown, never changed while it runs.

A server.properties of Kafka's then opens this broker, and a tool that looks for a config finds it.
Defaults are Kafka's, but for counts of replicas and what this broker is not.

Source: the configs that Apache Kafka 4.3 describes; the words are our own.
"""

from __future__ import annotations

import sys

from ..wire.enums import ConfigType
from .config_def import I32_MAX, I64_MAX, known

_INT = ConfigType.INT
_SHORT = ConfigType.SHORT
_LONG = ConfigType.LONG
_DOUBLE = ConfigType.DOUBLE
_BOOLEAN = ConfigType.BOOLEAN
_STRING = ConfigType.STRING
_LIST = ConfigType.LIST
_CLASS = ConfigType.CLASS

KNOWN_CONFIGS = [
    # Cluster, controller and metadata log
    known(
        "alter.config.policy.class.name", _CLASS, None,
        "Class that may refuse changes of configs.",
    ),
    known(
        "auto.leader.rebalance.enable", _BOOLEAN, True,
        "Whether leadership goes back to preferred replicas by itself.",
    ),
    known(
        "broker.heartbeat.interval.ms", _INT, 2_000,
        "How often a broker reports to its controller.",
    ),
    known("broker.rack", _STRING, None, "Rack of this broker, for placing replicas."),
    known(
        "broker.session.timeout.ms", _INT, 9_000,
        "Silence after which the controller fences a broker.",
    ),
    known("config.providers", _LIST, (), "Names of providers that fill in values of configs."),
    known(
        "controlled.shutdown.enable", _BOOLEAN, True,
        "Whether a broker hands its leaderships over before it stops.",
    ),
    known("controller.listener.names", _LIST, (), "Listeners of the controller."),
    known(
        "controller.quorum.append.linger.ms", _INT, 25,
        "How long the quorum gathers writes before it flushes them.",
    ),
    known(
        "controller.quorum.auto.join.enable", _BOOLEAN, False,
        "Whether controllers join the quorum by themselves.",
    ),
    known(
        "controller.quorum.bootstrap.servers", _LIST, (),
        "Addresses at which the quorum is found.",
    ),
    known(
        "controller.quorum.election.backoff.max.ms", _INT, 1_000,
        "Longest pause between elections of the quorum.",
    ),
    known(
        "controller.quorum.election.timeout.ms", _INT, 1_000,
        "How long to wait for an elected controller.",
    ),
    known(
        "controller.quorum.fetch.max.bytes", _INT, 1_048_576,
        "Most bytes of one fetch from the quorum's leader.",
    ),
    known(
        "controller.quorum.fetch.snapshot.max.bytes", _INT, 1_048_576,
        "Most bytes of one fetch of a snapshot.",
    ),
    known(
        "controller.quorum.fetch.timeout.ms", _INT, 2_000,
        "Silence after which a new controller is elected.",
    ),
    known(
        "controller.quorum.request.timeout.ms", _INT, 2_000,
        "How long a request within the quorum may take.",
    ),
    known(
        "controller.quorum.retry.backoff.ms", _INT, 20,
        "Pause before a request within the quorum is sent again.",
    ),
    known("controller.quorum.voters", _LIST, (), "The voters of the quorum, as id@host:port."),
    known(
        "controller.quota.window.num", _INT, 11,
        "Windows over which changes by clients are measured.",
    ),
    known("controller.quota.window.size.seconds", _INT, 1, "Length of those windows."),
    known(
        "controller.socket.timeout.ms", _INT, 30_000,
        "How long the controller waits on a connection.",
    ),
    known("cordoned.log.dirs", _LIST, (), "Log directories that take no new partitions."),
    known("create.topic.policy.class.name", _CLASS, None, "Class that may refuse topics."),
    known("default.replication.factor", _INT, 1, "Replicas of a topic by default."),
    known(
        "early.start.listeners", _LIST, None,
        "Listeners that start before authorization is ready.",
    ),
    known(
        "initial.broker.registration.timeout.ms", _INT, 60_000,
        "How long a broker tries to register.",
    ),
    known(
        "inter.broker.listener.name", _STRING, None,
        "Listener that brokers use among themselves.",
    ),
    known(
        "leader.imbalance.check.interval.seconds", _LONG, 300,
        "How often leadership is looked at for rebalancing.",
    ),
    known("metadata.log.dir", _STRING, None, "Directory of the metadata log."),
    known(
        "metadata.log.max.record.bytes.between.snapshots", _LONG, 20_971_520,
        "Bytes of metadata between two snapshots.",
    ),
    known(
        "metadata.log.max.snapshot.interval.ms", _LONG, 3_600_000,
        "Time between two snapshots of the metadata.",
    ),
    known("metadata.log.segment.bytes", _INT, 1_073_741_824, "Segment size of the metadata log."),
    known("metadata.log.segment.ms", _LONG, 604_800_000, "Age at which its segments are closed."),
    known(
        "metadata.max.idle.interval.ms", _INT, 500,
        "How often an idle controller writes to the metadata log.",
    ),
    known(
        "metadata.max.retention.bytes", _LONG, 104_857_600,
        "Size above which old metadata goes.",
    ),
    known("metadata.max.retention.ms", _LONG, 604_800_000, "Age at which old metadata goes."),
    known(
        "process.roles", _LIST, ("broker", "controller"),
        "Roles of this process: broker, controller or both.",
    ),

    # Replication
    known(
        "alter.log.dirs.replication.quota.window.num", _INT, 11,
        "Windows over which moves between directories are measured.",
    ),
    known(
        "alter.log.dirs.replication.quota.window.size.seconds", _INT, 1,
        "Length of those windows.",
    ),
    known(
        "num.replica.alter.log.dirs.threads", _INT, None,
        "Threads that move replicas between directories.",
    ),
    known("num.replica.fetchers", _INT, 1, "Threads that fetch from each leader."),
    known("replica.fetch.backoff.ms", _INT, 1_000, "Pause after a failed fetch from a leader."),
    known(
        "replica.fetch.max.bytes", _INT, 1_048_576,
        "Bytes that a follower asks of one partition.",
    ),
    known("replica.fetch.min.bytes", _INT, 1, "Bytes that a follower waits for."),
    known(
        "replica.fetch.response.max.bytes", _INT, 10_485_760,
        "Bytes that a follower asks for in all.",
    ),
    known("replica.fetch.wait.max.ms", _INT, 500, "How long a follower waits for them."),
    known(
        "replica.high.watermark.checkpoint.interval.ms", _LONG, 5_000,
        "How often high watermarks are written down.",
    ),
    known(
        "replica.lag.time.max.ms", _LONG, 30_000,
        "Lag at which a follower is no longer in sync.",
    ),
    known(
        "replica.selector.class", _STRING, None,
        "Class that chooses the replica a consumer reads.",
    ),
    known(
        "replica.socket.receive.buffer.bytes", _INT, 65_536,
        "Receive buffer of a follower's connection.",
    ),
    known("replica.socket.timeout.ms", _INT, 30_000, "How long a follower waits on a connection."),
    known("replication.quota.window.num", _INT, 11, "Windows over which replication is measured."),
    known("replication.quota.window.size.seconds", _INT, 1, "Length of those windows."),

    # Network, threads and requests
    known("background.threads", _INT, 10, "Threads for work in the background."),
    known("client.quota.callback.class", _CLASS, None, "Class that sets clients' quotas."),
    known(
        "connection.failed.authentication.delay.ms", _INT, 100,
        "Pause before a failed authentication is closed.",
    ),
    known(
        "delete.records.purgatory.purge.interval.requests", _INT, 1,
        "When waiting DeleteRecords are swept.",
    ),
    known(
        "fetch.purgatory.purge.interval.requests", _INT, 1_000,
        "When waiting fetches are swept.",
    ),
    known(
        "kafka.metrics.polling.interval.secs", _INT, 10,
        "How often Kafka's reporters are asked.",
    ),
    known("kafka.metrics.reporters", _LIST, (), "Classes that report metrics."),
    known(
        "listener.security.protocol.map", _STRING,
        "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
        "The security protocol of each listener's name.",
    ),
    known(
        "max.connection.creation.rate", _INT, I32_MAX,
        "Connections that may be opened in a second.",
    ),
    known(
        "max.connections.per.ip.overrides", _STRING, "",
        "Bounds for single addresses, as address:count.",
    ),
    known(
        "max.incremental.fetch.session.cache.slots", _INT, 0,
        "Fetch sessions that are kept: none, each fetch stands alone.",
    ),
    known(
        "metric.reporters", _LIST, ("org.apache.kafka.common.metrics.JmxReporter",),
        "Classes that take metrics.",
    ),
    known("metrics.num.samples", _INT, 2, "Samples that a metric is made of."),
    known("metrics.recording.level", _STRING, "INFO", "How much is measured."),
    known("metrics.sample.window.ms", _LONG, 30_000, "Time of one sample."),
    known("num.io.threads", _INT, 8, "Threads that handle requests."),
    known("num.network.threads", _INT, 3, "Threads that serve connections."),
    known(
        "producer.purgatory.purge.interval.requests", _INT, 1_000,
        "When waiting produces are swept.",
    ),
    known("queued.max.requests", _INT, 500, "Requests that may wait to be handled."),
    known("quota.window.num", _INT, 11, "Windows over which clients are measured."),
    known("quota.window.size.seconds", _INT, 1, "Length of those windows."),
    known("request.timeout.ms", _INT, 30_000, "How long a request to another broker may take."),
    known(
        "socket.connection.setup.timeout.max.ms", _LONG, 30_000,
        "Longest time to set up a connection to another broker.",
    ),
    known("socket.connection.setup.timeout.ms", _LONG, 10_000, "Time to set one up, at first."),
    known("socket.listen.backlog.size", _INT, 50, "Connections that may wait to be accepted."),
    known("socket.receive.buffer.bytes", _INT, 102_400, "Receive buffer of a connection."),
    known("socket.send.buffer.bytes", _INT, 102_400, "Send buffer of a connection."),
    known("telemetry.max.bytes", _INT, 1_048_576, "Largest metrics that a client may push."),

    # Log, cleaner and coordinators
    known(
        "add.partitions.to.txn.retry.backoff.max.ms", _INT, 100,
        "How long a produce waits for its transaction to be known.",
    ),
    known("add.partitions.to.txn.retry.backoff.ms", _INT, 20, "Pause between two looks."),
    known(
        "group.coordinator.append.linger.ms", _INT, -1,
        "How long a group coordinator gathers records.",
    ),
    known(
        "group.coordinator.background.threads", _INT, 2,
        "Threads for the work of groups in the background.",
    ),
    known(
        "group.coordinator.cached.buffer.max.bytes", _INT, 1_048_588,
        "Largest buffer that a group coordinator keeps.",
    ),
    known(
        "group.coordinator.rebalance.protocols", _LIST, ("classic",),
        "Rebalance protocols of groups.",
    ),
    known("group.coordinator.threads", _INT, 4, "Threads of the group coordinator."),
    known("log.cleaner.dedupe.buffer.size", _LONG, 134_217_728, "Memory of compaction for keys."),
    known("log.cleaner.io.buffer.load.factor", _DOUBLE, 0.9, "How full that memory may get."),
    known("log.cleaner.io.buffer.size", _INT, 524_288, "Buffers of compaction for records."),
    known(
        "log.cleaner.io.max.bytes.per.second", _DOUBLE, sys.float_info.max,
        "Bytes that compaction may read and write in a second.",
    ),
    known("log.cleaner.threads", _INT, 1, "Threads of compaction."),
    known(
        "log.dir.failure.timeout.ms", _LONG, 30_000,
        "How long a broker may fail to report a failed directory.",
    ),
    known(
        "log.flush.scheduler.interval.ms", _LONG, I64_MAX,
        "How often a flush by time is looked for.",
    ),
    known(
        "log.flush.start.offset.checkpoint.interval.ms", _INT, 60_000,
        "How often log start offsets are written down.",
    ),
    known(
        "log.roll.jitter.hours", _INT, 0,
        "Spread of the age at which segments are closed, where no ms are given.",
    ),
    known(
        "num.recovery.threads.per.data.dir", _INT, 2,
        "Threads that open the logs of one directory.",
    ),
    known("offsets.commit.timeout.ms", _INT, 5_000, "How long a commit waits for its replicas."),
    known(
        "offsets.load.buffer.size", _INT, 5_242_880,
        "Bytes that are read at once while offsets are loaded.",
    ),
    known("offsets.topic.compression.codec", _INT, 0, "Codec of __consumer_offsets, by number."),
    known("offsets.topic.replication.factor", _SHORT, 1, "Replicas of __consumer_offsets."),
    known(
        "transaction.partition.verification.enable", _BOOLEAN, True,
        "Whether a partition is looked up before a transaction writes.",
    ),
    known(
        "transaction.remove.expired.transaction.cleanup.interval.ms", _INT, 3_600_000,
        "How often ids that expired are removed.",
    ),
    known(
        "transaction.state.log.load.buffer.size", _INT, 5_242_880,
        "Bytes that are read at once while transactions are loaded.",
    ),
    known(
        "transaction.state.log.min.isr", _INT, 1,
        "Replicas in sync that __transaction_state needs.",
    ),
    known(
        "transaction.state.log.replication.factor", _SHORT, 1,
        "Replicas of __transaction_state.",
    ),
    known(
        "transaction.two.phase.commit.enable", _BOOLEAN, False,
        "Whether a transaction may outlive its time-out, for two-phase commit.",
    ),

    # Tiered storage
    known(
        "follower.fetch.last.tiered.offset.enable", _BOOLEAN, False,
        "Whether a new follower begins behind the last tiered offset.",
    ),
    known("remote.fetch.max.wait.ms", _INT, 500, "How long a fetch waits for tiered records."),
    known(
        "remote.list.offsets.request.timeout.ms", _LONG, 30_000,
        "How long a search in tiered segments may take.",
    ),
    known(
        "remote.log.index.file.cache.total.size.bytes", _LONG, 1_073_741_824,
        "Disk space for indexes of tiered segments.",
    ),
    known("remote.log.manager.copier.thread.pool.size", _INT, 10, "Threads that copy segments."),
    known(
        "remote.log.manager.copy.max.bytes.per.second", _LONG, I64_MAX,
        "Bytes that may be copied in a second.",
    ),
    known(
        "remote.log.manager.copy.quota.window.num", _INT, 11,
        "Windows over which copying is measured.",
    ),
    known("remote.log.manager.copy.quota.window.size.seconds", _INT, 1, "Length of those windows."),
    known(
        "remote.log.manager.expiration.thread.pool.size", _INT, 10,
        "Threads that remove tiered segments.",
    ),
    known(
        "remote.log.manager.fetch.max.bytes.per.second", _LONG, I64_MAX,
        "Bytes that may be fetched in a second.",
    ),
    known(
        "remote.log.manager.fetch.quota.window.num", _INT, 11,
        "Windows over which fetching is measured.",
    ),
    known(
        "remote.log.manager.fetch.quota.window.size.seconds", _INT, 1,
        "Length of those windows.",
    ),
    known(
        "remote.log.manager.follower.thread.pool.size", _INT, 2,
        "Threads for partitions that follow.",
    ),
    known(
        "remote.log.manager.task.interval.ms", _LONG, 30_000,
        "How often segments to copy are looked for.",
    ),
    known("remote.log.manager.thread.pool.size", _INT, 2, "Threads that plan the work."),
    known(
        "remote.log.metadata.custom.metadata.max.bytes", _INT, 128,
        "Largest metadata that a plugin may add.",
    ),
    known(
        "remote.log.metadata.manager.class.name", _STRING,
        "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
        "Class that keeps the metadata of tiered segments.",
    ),
    known("remote.log.metadata.manager.class.path", _STRING, None, "Where that class lies."),
    known(
        "remote.log.metadata.manager.impl.prefix", _STRING, "rlmm.config.",
        "Prefix of its own configs.",
    ),
    known("remote.log.metadata.manager.listener.name", _STRING, None, "Listener that it uses."),
    known(
        "remote.log.reader.max.pending.tasks", _INT, 100,
        "Fetches of tiered records that may wait.",
    ),
    known("remote.log.reader.threads", _INT, 10, "Threads that fetch tiered records."),
    known(
        "remote.log.storage.manager.class.name", _STRING, None,
        "Class that keeps tiered segments.",
    ),
    known("remote.log.storage.manager.class.path", _STRING, None, "Where that class lies."),
    known(
        "remote.log.storage.manager.impl.prefix", _STRING, "rsm.config.",
        "Prefix of its own configs.",
    ),
    known(
        "remote.log.storage.system.enable", _BOOLEAN, False,
        "Whether segments are tiered at all.",
    ),
]  # fmt: skip
