// What producers write and consumers read.

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.ArrayList;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.internals.RecordHeader;

public class RecordChecks {
    private RecordChecks() {}

    /** 500 records a codec, in batches of several, with keys, headers and times. */
    public static void codecs(Checks checks) throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            String topic = checks.topic(1);
            try (KafkaProducer<String, String> producer =
                    checks.producer("compression.type=" + codec, "linger.ms=20", "batch.size=4000")) {
                for (int number = 0; number < 500; number++) {
                    producer.send(new ProducerRecord<>(
                            topic, 0, 1_000_000L + number, "k" + number, "v".repeat(50) + number,
                            List.of(new RecordHeader("n", ("" + number).getBytes()))));
                }
            }
            int right = 0;
            for (ConsumerRecord<String, String> record : checks.read(topic, 500)) {
                String number = "" + record.offset();
                boolean same = record.key().equals("k" + number)
                        && record.value().equals("v".repeat(50) + number)
                        && record.timestamp() == 1_000_000L + record.offset()
                        && new String(record.headers().lastHeader("n").value()).equals(number);
                right += same ? 1 : 0;
            }
            checks.see(codec, right);
        }
    }

    /** Null keys, values and header values; the same header twice; empty ones. */
    public static void nulls(Checks checks) throws Exception {
        String topic = checks.topic(1);
        try (KafkaProducer<String, String> producer = checks.producer()) {
            producer.send(new ProducerRecord<>(topic, 0, null, null)).get();
            ProducerRecord<String, String> record = new ProducerRecord<>(topic, 0, "", "");
            record.headers().add("h", null).add("h", new byte[0]).add("h", new byte[] {7});
            producer.send(record).get();
        }
        for (ConsumerRecord<String, String> record : checks.read(topic, 2)) {
            List<String> headers = new ArrayList<>();
            record.headers().forEach(
                    header -> headers.add(header.value() == null ? "null" : "" + header.value().length));
            checks.see(record.key() == null, record.value() == null, headers);
        }
    }

    /** The producer asks for every guarantee by default: offsets follow in order. */
    public static void idempotent(Checks checks) throws Exception {
        String topic = checks.topic(1);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer =
                checks.producer("enable.idempotence=true", "batch.size=100")) {
            for (int number = 0; number < 1000; number++) {
                sent.add(producer.send(new ProducerRecord<>(topic, 0, null, "" + number)));
            }
        }
        int inOrder = 0;
        for (int number = 0; number < 1000; number++) {
            inOrder += sent.get(number).get().offset() == number ? 1 : 0;
        }
        checks.see(inOrder, checks.read(topic, 1000).size());
    }

    /** What each number of acks says of the offset. */
    public static void acks(Checks checks) throws Exception {
        for (String acks : List.of("0", "1", "all")) {
            String topic = checks.topic(1);
            try (KafkaProducer<String, String> producer =
                    checks.producer("acks=" + acks, "enable.idempotence=false")) {
                RecordMetadata one = producer.send(new ProducerRecord<>(topic, 0, null, "a")).get();
                checks.see(acks, one.hasOffset());
            }
            checks.see(acks, Checks.values(checks.read(topic, 1)));
        }
    }

    /** A record larger than the topic takes, and one that the client itself would not send. */
    public static void tooLarge(Checks checks) throws Exception {
        String topic = checks.topic(1);
        try (KafkaProducer<String, String> producer = checks.producer("max.request.size=5000000")) {
            checks.seeError("2 MB", () -> Checks.send(producer, topic, "x".repeat(2_000_000)));
            checks.seeError("6 MB", () -> Checks.send(producer, topic, "x".repeat(6_000_000)));
            checks.seeError("1 kB", () -> Checks.send(producer, topic, "x".repeat(1_000)));
        }
        checks.see(checks.read(topic, 1).size());
    }

    /** The first offset at or after a time, in a batch, between batches and after all. */
    public static void offsetsForTimes(Checks checks) throws Exception {
        String topic = checks.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> producer =
                checks.producer("compression.type=lz4", "linger.ms=50")) {
            for (int batch = 0; batch < 3; batch++) {
                for (int number = 0; number < 10; number++) {
                    long time = 1_000L * (batch + 1) + number * 10;
                    producer.send(new ProducerRecord<>(topic, 0, time, null, "x"));
                }
                producer.flush();
            }
        }
        try (KafkaConsumer<String, String> consumer = checks.consumer()) {
            for (long time : List.of(0L, 1_000L, 1_011L, 1_500L, 2_045L, 3_090L, 3_091L)) {
                var found = consumer.offsetsForTimes(Map.of(partition, time)).get(partition);
                checks.see(time, found == null ? null : found.offset() + " at " + found.timestamp());
            }
            checks.see(consumer.beginningOffsets(Set.of(partition)).get(partition),
                    consumer.endOffsets(Set.of(partition)).get(partition));
        }
    }

    /** Seeking, pausing, and an offset that is not there. */
    public static void positions(Checks checks) throws Exception {
        String topic = checks.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> producer = checks.producer()) {
            Checks.send(producer, topic, "a", "b", "c");
        }
        try (KafkaConsumer<String, String> consumer = checks.consumer("max.poll.records=1")) {
            consumer.assign(Set.of(partition));
            consumer.seek(partition, 1);
            List<ConsumerRecord<String, String>> seen = new ArrayList<>();
            consumer.poll(Checks.SOON).forEach(seen::add);
            consumer.pause(Set.of(partition));
            consumer.poll(java.time.Duration.ofMillis(200)).forEach(seen::add);
            consumer.resume(Set.of(partition));
            consumer.poll(Checks.SOON).forEach(seen::add);
            consumer.seek(partition, 99);
            consumer.poll(Checks.SOON).forEach(seen::add);
            checks.see(Checks.values(seen), consumer.position(partition), consumer.currentLag(partition));
        }
        try (KafkaConsumer<String, String> consumer = checks.consumer("auto.offset.reset=none")) {
            consumer.assign(Set.of(partition));
            consumer.seek(partition, 99);
            checks.seeError("none", () -> consumer.poll(Checks.SOON));
        }
    }

    /** A topic that is written to, or read, before it exists. */
    public static void madeByUse(Checks checks) throws Exception {
        String written = checks.fresh("made");
        try (KafkaProducer<String, String> producer = checks.producer()) {
            checks.see(producer.partitionsFor(written).size());
            Checks.send(producer, written, "a");
        }
        checks.see(Checks.values(checks.read(written, 1)));
        try (KafkaConsumer<String, String> consumer =
                checks.consumer("allow.auto.create.topics=false")) {
            checks.see(consumer.partitionsFor(checks.fresh("not-made")).size());
            Set<String> names = consumer.listTopics().keySet();
            checks.see(names.contains(written), names.stream().anyMatch(n -> n.startsWith("not-made")));
        }
    }

    /** Keys choose partitions; each partition keeps its order. */
    public static void partitions(Checks checks) throws Exception {
        String topic = checks.topic(4);
        try (KafkaProducer<String, String> producer = checks.producer()) {
            for (int number = 0; number < 200; number++) {
                producer.send(new ProducerRecord<>(topic, "k" + number % 20, "" + number));
            }
        }
        try (KafkaConsumer<String, String> consumer = checks.consumer()) {
            consumer.assign(consumer.partitionsFor(topic).stream()
                    .map(info -> new TopicPartition(topic, info.partition()))
                    .collect(Collectors.toSet()));
            Map<Integer, Integer> last = new java.util.HashMap<>();
            int count = 0;
            boolean ordered = true;
            while (count < 200) {
                for (ConsumerRecord<String, String> record : consumer.poll(Checks.SOON)) {
                    int number = Integer.parseInt(record.value());
                    ordered &= last.getOrDefault(record.partition(), -1) < number;
                    last.put(record.partition(), number);
                    count++;
                }
            }
            checks.see(count, ordered, last.size());
        }
    }
}
