// Groups of consumers: shares, rebalances, static members, offsets.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

public class GroupChecks {
    private static final String PACKAGE = "org.apache.kafka.clients.consumer.";

    private GroupChecks() {}

    private static KafkaConsumer<String, String> member(
            Checks checks, String group, String topic, String... configs) {
        String[] all = java.util.Arrays.copyOf(configs, configs.length + 2);
        all[configs.length] = "group.id=" + group;
        all[configs.length + 1] = "heartbeat.interval.ms=200";
        KafkaConsumer<String, String> consumer = checks.consumer(all);
        consumer.subscribe(Set.of(topic));
        return consumer;
    }

    /** Polls all members in turn until each holds as many partitions as wanted. */
    static String settle(List<KafkaConsumer<String, String>> members, int... wanted) {
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (System.nanoTime() < deadline) {
            boolean settled = true;
            for (int number = 0; number < wanted.length; number++) {
                members.get(number).poll(Duration.ofMillis(20));
                settled &= members.get(number).assignment().size() == wanted[number];
            }
            Set<TopicPartition> all = new java.util.HashSet<>();
            members.forEach(member -> all.addAll(member.assignment()));
            if (settled && all.size() == java.util.Arrays.stream(wanted).sum()) {
                return "settled";
            }
        }
        return members.stream().map(m -> "" + m.assignment()).collect(Collectors.joining(" | "));
    }

    private static String partitions(Collection<TopicPartition> all) {
        return new TreeSet<>(all.stream().map(TopicPartition::partition).toList()).toString();
    }

    /** One member, two, three, two again, with each assignor: six partitions are shared out. */
    public static void assignors(Checks checks) throws Exception {
        for (String name : List.of(
                "RangeAssignor", "RoundRobinAssignor", "StickyAssignor", "CooperativeStickyAssignor")) {
            String topic = checks.topic(6);
            String group = checks.fresh("group");
            String assignor = "partition.assignment.strategy=" + PACKAGE + name;
            List<KafkaConsumer<String, String>> members = new ArrayList<>();
            List<String> seen = new ArrayList<>();
            for (int[] wanted : new int[][] {{6}, {3, 3}, {2, 2, 2}}) {
                members.add(member(checks, group, topic, assignor));
                seen.add(settle(members, wanted));
            }
            members.remove(0).close();
            seen.add(settle(members, 3, 3));
            members.forEach(KafkaConsumer::close);
            checks.see(name, String.join(",", seen));
        }
    }

    /** A cooperative member keeps what it holds while another joins. */
    public static void cooperativeKeeps(Checks checks) throws Exception {
        String topic = checks.topic(4);
        String group = checks.fresh("group");
        String assignor = "partition.assignment.strategy=" + PACKAGE + "CooperativeStickyAssignor";
        List<String> lost = new ArrayList<>();
        KafkaConsumer<String, String> first = member(checks, group, topic, assignor);
        first.subscribe(Set.of(topic), new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
                lost.add(partitions(revoked));
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> assigned) {}
        });
        List<KafkaConsumer<String, String>> members = new ArrayList<>(List.of(first));
        checks.see(settle(members, 4));
        members.add(member(checks, group, topic, assignor));
        checks.see(settle(members, 2, 2));
        checks.see(lost.stream().filter(each -> !each.equals("[]")).toList());
        members.forEach(KafkaConsumer::close);
    }

    /** All records reach the group once each, though a member comes and one goes meanwhile. */
    public static void rebalanceWhileReading(Checks checks) throws Exception {
        String topic = checks.topic(4);
        String group = checks.fresh("group");
        try (KafkaProducer<String, String> producer = checks.producer()) {
            for (int number = 0; number < 2000; number++) {
                producer.send(new ProducerRecord<>(topic, number % 4, null, "" + number));
            }
        }
        Set<String> seen = new TreeSet<>();
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        members.add(member(checks, group, topic, "max.poll.records=50"));
        int doubled = 0;
        long deadline = System.nanoTime() + 30_000_000_000L;
        for (int round = 0; seen.size() < 2000 && System.nanoTime() < deadline; round++) {
            if (round == 10) {
                members.add(member(checks, group, topic, "max.poll.records=50"));
            }
            if (round == 40) {
                members.remove(0).close();
            }
            for (KafkaConsumer<String, String> member : members) {
                var records = member.poll(Duration.ofMillis(20));
                for (var record : records) {
                    doubled += seen.add(record.value()) ? 0 : 1;
                }
                if (!records.isEmpty()) {
                    member.commitSync();
                }
            }
        }
        members.forEach(KafkaConsumer::close);
        checks.see(seen.size(), doubled, checks.offsets(group));
    }

    /** A static member comes back to its partitions without a rebalance; a double fences it. */
    public static void staticMembers(Checks checks) throws Exception {
        String topic = checks.topic(4);
        String group = checks.fresh("group");
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        members.add(member(checks, group, topic, "group.instance.id=one"));
        members.add(member(checks, group, topic, "group.instance.id=two"));
        checks.see(settle(members, 2, 2));
        String held = partitions(members.get(0).assignment());
        int generation = members.get(1).groupMetadata().generationId();
        members.remove(0).close();
        members.add(0, member(checks, group, topic, "group.instance.id=one"));
        checks.see(settle(members, 2, 2));
        checks.see(partitions(members.get(0).assignment()).equals(held),
                members.get(1).groupMetadata().generationId() == generation);
        KafkaConsumer<String, String> old = members.remove(0);
        members.add(0, member(checks, group, topic, "group.instance.id=one"));
        checks.see(settle(members, 2, 2));
        checks.seeError("double", () -> {
            long deadline = System.nanoTime() + 10_000_000_000L;
            while (System.nanoTime() < deadline) {
                old.poll(Duration.ofMillis(100));
            }
        });
        old.close();
        Checks.get(checks.admin.removeMembersFromConsumerGroup(group,
                new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("two")))).all());
        checks.see(settle(members.subList(0, 1), 4));
        checks.seeError("remove", () -> Checks.get(checks.admin.removeMembersFromConsumerGroup(group,
                new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("three")))).all()));
        members.forEach(member -> member.close(Duration.ofSeconds(1)));
    }

    /** A member that does not heartbeat is taken out, and another gets its partitions. */
    public static void sessionTimeout(Checks checks) throws Exception {
        String topic = checks.topic(2);
        String group = checks.fresh("group");
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        String[] quick = {"session.timeout.ms=6000", "max.poll.interval.ms=1000"};
        members.add(member(checks, group, topic, quick));
        members.add(member(checks, group, topic, quick));
        checks.see(settle(members, 1, 1));
        checks.see(settle(members.subList(0, 1), 2));
        checks.seeError("commit", () -> members.get(1).commitSync(
                Map.of(new TopicPartition(topic, 1), new OffsetAndMetadata(1))));
        members.forEach(KafkaConsumer::close);
    }

    /** Offsets with metadata and leader epoch; those of partitions never committed are none. */
    public static void commits(Checks checks) throws Exception {
        String topic = checks.topic(2);
        String group = checks.fresh("group");
        TopicPartition zero = new TopicPartition(topic, 0);
        TopicPartition one = new TopicPartition(topic, 1);
        try (KafkaConsumer<String, String> consumer = member(checks, group, topic)) {
            settle(List.of(consumer), 2);
            consumer.commitSync(Map.of(zero,
                    new OffsetAndMetadata(7, java.util.Optional.of(0), "noté")));
            var found = consumer.committed(Set.of(zero, one));
            checks.see(found.get(zero).offset(), found.get(zero).metadata(),
                    found.get(zero).leaderEpoch(), found.get(one));
            checks.seeError("too long", () -> consumer.commitSync(Map.of(zero,
                    new OffsetAndMetadata(8, "x".repeat(5000)))));
            checks.see(consumer.committed(Set.of(zero)).get(zero).offset());
        }
        checks.see(checks.offsets(group));
    }

    /** A subscription by a pattern takes in a topic that is made later. */
    public static void pattern(Checks checks) throws Exception {
        String prefix = checks.fresh("pattern");
        String first = prefix + "-a";
        String second = prefix + "-b";
        try (KafkaProducer<String, String> producer = checks.producer();
                KafkaConsumer<String, String> consumer = checks.consumer(
                        "group.id=" + checks.fresh("group"), "metadata.max.age.ms=300")) {
            Checks.send(producer, first, "1");
            consumer.subscribe(java.util.regex.Pattern.compile(prefix + "-.*"));
            checks.see(settle(List.of(consumer), 1));
            Checks.send(producer, second, "2");
            checks.see(settle(List.of(consumer), 2));
        }
    }
}
