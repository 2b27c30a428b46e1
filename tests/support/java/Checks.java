// Runs checks with Kafka's Java clients against a broker, and prints what they saw.
//
//   java Checks BOOTSTRAP CLASS…     every public static method (Checks) → void of each class is a check
//   out   == NAME                    the method's name; then a line for each thing seen
//         !! ERROR                   what ended the check before its time

import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Checks {
    static final Duration SOON = Duration.ofSeconds(15);

    final String bootstrap;
    final Admin admin;
    private int names = 0;

    Checks(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    public static void main(String[] arguments) throws Exception {
        Checks checks = new Checks(arguments[0]);
        for (String name : Arrays.asList(arguments).subList(1, arguments.length)) {
            Method[] methods = Class.forName(name).getDeclaredMethods();
            Arrays.sort(methods, Comparator.comparing(Method::getName));
            for (Method method : methods) {
                if (Modifier.isPublic(method.getModifiers())) {
                    run(method, checks);
                }
            }
        }
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static void run(Method method, Checks checks) throws IllegalAccessException {
        System.out.println("== " + method.getName());
        try {
            method.invoke(null, checks);
        } catch (InvocationTargetException thrown) {
            StringWriter trace = new StringWriter();
            thrown.getCause().printStackTrace(new PrintWriter(trace));
            trace.toString().lines().limit(20).forEach(line -> System.out.println("!! " + line));
        }
    }

    /** Prints what was seen. */
    void see(Object... what) {
        System.out.println(
                Arrays.stream(what).map(String::valueOf).collect(Collectors.joining(" ")));
    }

    /** Prints the name of the error that ends an action, or that none did. */
    void seeError(String what, Action action) {
        try {
            action.run();
            see(what, "no error");
        } catch (Throwable thrown) {
            Throwable cause = thrown instanceof ExecutionException ? thrown.getCause() : thrown;
            see(what, cause.getClass().getSimpleName());
        }
    }

    interface Action {
        void run() throws Throwable;
    }

    static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(SOON.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** A name that nobody has used. */
    String fresh(String what) {
        return what + "-" + ProcessHandle.current().pid() + "-" + names++;
    }

    /** Creates a topic with a new name. */
    String topic(int partitions) throws Exception {
        String name = fresh("topic");
        get(admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all());
        return name;
    }

    KafkaProducer<String, String> producer(String... configs) {
        return new KafkaProducer<>(
                configs(Map.of("linger.ms", "0"), configs), new StringSerializer(), new StringSerializer());
    }

    KafkaConsumer<String, String> consumer(String... configs) {
        Map<String, Object> defaults =
                Map.of("auto.offset.reset", "earliest", "enable.auto.commit", "false");
        return new KafkaConsumer<>(
                configs(defaults, configs), new StringDeserializer(), new StringDeserializer());
    }

    private Map<String, Object> configs(Map<String, Object> defaults, String... more) {
        Map<String, Object> all = new HashMap<>(defaults);
        all.put("bootstrap.servers", bootstrap);
        for (String pair : more) {
            String[] words = pair.split("=", 2);
            all.put(words[0], words[1]);
        }
        return all;
    }

    /** Writes values to partition 0 and waits for each. */
    static void send(KafkaProducer<String, String> producer, String topic, String... values)
            throws Exception {
        for (String value : values) {
            producer.send(new ProducerRecord<>(topic, 0, null, value)).get(15, TimeUnit.SECONDS);
        }
    }

    /** Reads partition 0 from its start until `count` records came or none does any more. */
    List<ConsumerRecord<String, String>> read(String topic, int count, String... configs) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = consumer(configs)) {
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(Set.of(partition));
            consumer.seekToBeginning(Set.of(partition));
            long end = consumer.endOffsets(Set.of(partition)).get(partition);
            long deadline = System.nanoTime() + SOON.toNanos();
            while (records.size() < count
                    && consumer.position(partition) < end
                    && System.nanoTime() < deadline) {
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            }
        }
        return records;
    }

    /** The values that a reader of committed records sees. */
    String committed(String topic) {
        return values(read(topic, Integer.MAX_VALUE, "isolation.level=read_committed"));
    }

    static String values(Collection<ConsumerRecord<String, String>> records) {
        return records.stream().map(ConsumerRecord::value).collect(Collectors.joining(","));
    }

    /** A group's committed offsets, by partition. */
    Map<Integer, Long> offsets(String group) throws Exception {
        Map<Integer, Long> found = new TreeMap<>();
        for (Map.Entry<TopicPartition, OffsetAndMetadata> each :
                get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).entrySet()) {
            found.put(each.getKey().partition(), each.getValue().offset());
        }
        return found;
    }
}
