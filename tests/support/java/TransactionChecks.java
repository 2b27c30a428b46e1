// Transactions: what is committed is seen, what is aborted is not, and who is fenced.

import java.time.Duration;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;

public class TransactionChecks {
    private TransactionChecks() {}

    private static KafkaProducer<String, String> open(Checks checks, String id, String... more) {
        String[] configs = java.util.Arrays.copyOf(more, more.length + 1);
        configs[more.length] = "transactional.id=" + id;
        KafkaProducer<String, String> producer = checks.producer(configs);
        producer.initTransactions();
        return producer;
    }

    /** Commit, abort, commit: readers of committed records see the first and the last. */
    public static void commitAndAbort(Checks checks) throws Exception {
        String topic = checks.topic(1);
        try (KafkaProducer<String, String> producer = open(checks, checks.fresh("id"))) {
            producer.beginTransaction();
            Checks.send(producer, topic, "a", "b");
            producer.commitTransaction();
            producer.beginTransaction();
            Checks.send(producer, topic, "c");
            producer.abortTransaction();
            producer.beginTransaction();
            Checks.send(producer, topic, "d");
            producer.commitTransaction();
            producer.beginTransaction();
            producer.commitTransaction();
        }
        checks.see(checks.committed(topic));
        checks.see(Checks.values(checks.read(topic, Integer.MAX_VALUE)));
        checks.see(end(checks, topic, IsolationLevel.READ_COMMITTED));
    }

    /** While a transaction is open, the end for committed readers is its first record. */
    public static void lastStableOffset(Checks checks) throws Exception {
        String topic = checks.topic(1);
        try (KafkaProducer<String, String> plain = checks.producer();
                KafkaProducer<String, String> producer = open(checks, checks.fresh("id"))) {
            Checks.send(plain, topic, "before");
            producer.beginTransaction();
            Checks.send(producer, topic, "inside");
            Checks.send(plain, topic, "after");
            checks.see(end(checks, topic, IsolationLevel.READ_COMMITTED),
                    end(checks, topic, IsolationLevel.READ_UNCOMMITTED), checks.committed(topic));
            producer.commitTransaction();
            checks.see(end(checks, topic, IsolationLevel.READ_COMMITTED), checks.committed(topic));
        }
    }

    private static long end(Checks checks, String topic, IsolationLevel level) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        return Checks.get(checks.admin.listOffsets(
                Map.of(partition, OffsetSpec.latest()), new ListOffsetsOptions(level))
                .partitionResult(partition)).offset();
    }

    /** A second producer of the same id ends the first one's transaction and fences it. */
    public static void fencing(Checks checks) throws Exception {
        String topic = checks.topic(1);
        String id = checks.fresh("id");
        KafkaProducer<String, String> first = open(checks, id);
        first.beginTransaction();
        Checks.send(first, topic, "lost");
        try (KafkaProducer<String, String> second = open(checks, id)) {
            checks.seeError("send", () -> Checks.send(first, topic, "late"));
            checks.seeError("commit", first::commitTransaction);
            first.close(Duration.ZERO);
            second.beginTransaction();
            Checks.send(second, topic, "kept");
            second.commitTransaction();
        }
        checks.see(checks.committed(topic));
    }

    /** The broker aborts a transaction that takes longer than its time-out. */
    public static void timeout(Checks checks) throws Exception {
        String topic = checks.topic(1);
        KafkaProducer<String, String> producer =
                open(checks, checks.fresh("id"), "transaction.timeout.ms=1000");
        producer.beginTransaction();
        Checks.send(producer, topic, "slow");
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (end(checks, topic, IsolationLevel.READ_COMMITTED) < 2 && System.nanoTime() < deadline) {
            Thread.sleep(100);
        }
        checks.see(end(checks, topic, IsolationLevel.READ_COMMITTED));
        checks.seeError("commit", producer::commitTransaction);
        producer.close(Duration.ZERO);
        checks.see("[" + checks.committed(topic) + "]");
    }

    /** Read, process, write: offsets go with the transaction, in both directions. */
    public static void offsetsInTransaction(Checks checks) throws Exception {
        String in = checks.topic(1);
        String out = checks.topic(1);
        String group = checks.fresh("group");
        TopicPartition partition = new TopicPartition(in, 0);
        try (KafkaProducer<String, String> plain = checks.producer();
                KafkaProducer<String, String> producer = open(checks, checks.fresh("id"));
                KafkaConsumer<String, String> consumer = checks.consumer("group.id=" + group)) {
            Checks.send(plain, in, "1", "2", "3");
            consumer.subscribe(Set.of(in));
            while (consumer.poll(Duration.ofMillis(100)).isEmpty()) {}
            producer.beginTransaction();
            Checks.send(producer, out, "x");
            producer.sendOffsetsToTransaction(
                    Map.of(partition, new OffsetAndMetadata(1)), consumer.groupMetadata());
            producer.abortTransaction();
            checks.see(checks.offsets(group));
            producer.beginTransaction();
            Checks.send(producer, out, "y");
            producer.sendOffsetsToTransaction(
                    Map.of(partition, new OffsetAndMetadata(2, "note")), consumer.groupMetadata());
            producer.commitTransaction();
            OffsetAndMetadata found = consumer.committed(Set.of(partition)).get(partition);
            checks.see(found.offset(), found.metadata(), checks.committed(out));
        }
    }

    /** Offsets of a member that the group does not know, or of an old generation, are refused. */
    public static void offsetsOfStrangers(Checks checks) throws Exception {
        String topic = checks.topic(1);
        String group = checks.fresh("group");
        Map<TopicPartition, OffsetAndMetadata> offsets =
                Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(1));
        try (KafkaConsumer<String, String> consumer = checks.consumer("group.id=" + group)) {
            consumer.subscribe(Set.of(topic));
            while (consumer.assignment().isEmpty()) {
                consumer.poll(Duration.ofMillis(100));
            }
            ConsumerGroupMetadata known = consumer.groupMetadata();
            commitFor(checks, "unknown member", offsets, new ConsumerGroupMetadata(
                    group, known.generationId(), "nobody", java.util.Optional.empty()));
            commitFor(checks, "old generation", offsets, new ConsumerGroupMetadata(
                    group, known.generationId() - 1, known.memberId(), java.util.Optional.empty()));
            commitFor(checks, "no member", offsets, new ConsumerGroupMetadata(group));
            commitFor(checks, "member", offsets, known);
        }
        checks.see(checks.offsets(group));
    }

    private static void commitFor(
            Checks checks,
            String who,
            Map<TopicPartition, OffsetAndMetadata> offsets,
            ConsumerGroupMetadata member)
            throws Exception {
        try (KafkaProducer<String, String> producer = open(checks, checks.fresh("id"))) {
            producer.beginTransaction();
            checks.seeError(who, () -> {
                producer.sendOffsetsToTransaction(offsets, member);
                producer.commitTransaction();
            });
        }
    }

    /** Many transactions, one after another, on several partitions. */
    public static void many(Checks checks) throws Exception {
        String topic = checks.topic(3);
        try (KafkaProducer<String, String> producer = open(checks, checks.fresh("id"))) {
            for (int number = 0; number < 100; number++) {
                producer.beginTransaction();
                for (int partition = 0; partition < 3; partition++) {
                    producer.send(new ProducerRecord<>(topic, partition, null, "" + number));
                }
                if (number % 10 == 3) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
        int right = 0;
        for (ConsumerRecord<String, String> record :
                checks.read(topic, 90, "isolation.level=read_committed")) {
            right += Integer.parseInt(record.value()) % 10 != 3 ? 1 : 0;
        }
        checks.see(right, checks.read(topic, 100).size());
    }
}
