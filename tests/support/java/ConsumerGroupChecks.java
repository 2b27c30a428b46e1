// Groups of the newer protocol (group.protocol=consumer), whose members the broker assigns.

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;

public class ConsumerGroupChecks {
    private ConsumerGroupChecks() {}

    private static KafkaConsumer<String, String> member(
            Checks checks, String group, String... configs) {
        String[] all = java.util.Arrays.copyOf(configs, configs.length + 2);
        all[configs.length] = "group.id=" + group;
        all[configs.length + 1] = "group.protocol=consumer";
        return checks.consumer(all);
    }

    private static KafkaConsumer<String, String> reader(
            Checks checks, String group, String topic, String... configs) {
        KafkaConsumer<String, String> consumer = member(checks, group, configs);
        consumer.subscribe(Set.of(topic));
        return consumer;
    }

    /** One member, two, one again: four partitions are shared out, offsets are committed. */
    public static void shares(Checks checks) throws Exception {
        String topic = checks.topic(4);
        String group = checks.fresh("group");
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        members.add(reader(checks, group, topic));
        checks.see(GroupChecks.settle(members, 4));
        members.add(reader(checks, group, topic));
        checks.see(GroupChecks.settle(members, 2, 2));
        TopicPartition own = members.get(1).assignment().iterator().next();
        members.get(1).commitSync(Map.of(own, new OffsetAndMetadata(0, "mine")));
        checks.see(members.get(1).committed(Set.of(own)).get(own).metadata());
        members.remove(0).close();
        checks.see(GroupChecks.settle(members, 4));
        members.forEach(KafkaConsumer::close);
    }

    /** Operators are told of the group by its type, and of what its members have. */
    public static void described(Checks checks) throws Exception {
        String topic = checks.topic(2);
        String group = checks.fresh("group");
        try (KafkaConsumer<String, String> consumer =
                reader(checks, group, topic, "client.id=me", "group.remote.assignor=range")) {
            checks.see(GroupChecks.settle(List.of(consumer), 2));
            ConsumerGroupDescription found =
                    Checks.get(checks.admin.describeConsumerGroups(List.of(group)).all()).get(group);
            MemberDescription me = found.members().iterator().next();
            checks.see(found.groupState(), found.type(), found.partitionAssignor(),
                    found.groupEpoch().get(), found.targetAssignmentEpoch().get());
            checks.see(me.clientId(), me.memberEpoch().get(), me.upgraded().get(),
                    me.assignment().topicPartitions().size(),
                    me.targetAssignment().get().topicPartitions().size());
            ListGroupsOptions only = new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER));
            checks.see(Checks.get(checks.admin.listGroups(only).all()).stream()
                    .filter(each -> each.groupId().equals(group)).map(each -> each.type().get())
                    .collect(Collectors.toList()));
            checks.seeError("delete",
                    () -> Checks.get(checks.admin.deleteConsumerGroups(List.of(group)).all()));
        }
        Checks.get(checks.admin.deleteConsumerGroups(List.of(group)).all());
        checks.seeError("gone",
                () -> Checks.get(checks.admin.describeConsumerGroups(List.of(group)).all()));
    }

    /** A subscription by a pattern that the broker matches, and one that it cannot read. */
    public static void pattern(Checks checks) throws Exception {
        String prefix = checks.fresh("pattern");
        try (KafkaProducer<String, String> producer = checks.producer();
                KafkaConsumer<String, String> consumer = member(checks, checks.fresh("group"))) {
            Checks.send(producer, prefix + "-a", "1");
            consumer.subscribe(new SubscriptionPattern(prefix + "-.*"));
            checks.see(GroupChecks.settle(List.of(consumer), 1));
        }
        checks.seeError("broken", () -> {
            try (KafkaConsumer<String, String> consumer = member(checks, checks.fresh("group"))) {
                consumer.subscribe(new SubscriptionPattern("["));
                GroupChecks.settle(List.of(consumer), 1);
            }
        });
    }

    /** A static member comes back to the partitions that it had. */
    public static void staticMembers(Checks checks) throws Exception {
        String topic = checks.topic(4);
        String group = checks.fresh("group");
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        members.add(reader(checks, group, topic, "group.instance.id=one"));
        checks.see(GroupChecks.settle(members, 4));
        checks.seeError("double", () -> {
            try (KafkaConsumer<String, String> twin =
                    reader(checks, group, topic, "group.instance.id=one")) {
                GroupChecks.settle(List.of(twin), 4);
            }
        });
        members.add(reader(checks, group, topic, "group.instance.id=two"));
        checks.see(GroupChecks.settle(members, 2, 2));
        Set<String> held = names(members.get(0));
        int epoch = members.get(0).groupMetadata().generationId();
        members.remove(0).close();
        members.add(0, reader(checks, group, topic, "group.instance.id=one"));
        checks.see(GroupChecks.settle(members, 2, 2));
        checks.see(held.equals(names(members.get(0))),
                members.get(0).groupMetadata().generationId() == epoch);
        members.forEach(KafkaConsumer::close);
    }

    /** A group that lives goes from the classic protocol to the newer one, and back. */
    public static void changes(Checks checks) throws Exception {
        String topic = checks.topic(4);
        String group = checks.fresh("group");
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        members.add(classic(checks, group, topic));
        checks.see(GroupChecks.settle(members, 4), type(checks, group));
        members.add(reader(checks, group, topic));
        checks.see(GroupChecks.settle(members, 2, 2), type(checks, group));
        members.get(0).commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(0)));
        members.remove(0).close();
        checks.see(GroupChecks.settle(members, 4), type(checks, group));
        members.add(classic(checks, group, topic));
        checks.see(GroupChecks.settle(members, 2, 2), type(checks, group));
        members.remove(0).close();
        checks.see(GroupChecks.settle(members, 4), type(checks, group));
        members.forEach(KafkaConsumer::close);
    }

    private static KafkaConsumer<String, String> classic(
            Checks checks, String group, String topic) {
        KafkaConsumer<String, String> consumer =
                checks.consumer("group.id=" + group, "heartbeat.interval.ms=200");
        consumer.subscribe(Set.of(topic));
        return consumer;
    }

    private static String type(Checks checks, String group) throws Exception {
        return Checks.get(checks.admin.describeConsumerGroups(List.of(group)).all())
                .get(group).type().toString();
    }

    private static Set<String> names(KafkaConsumer<String, String> consumer) {
        return new TreeSet<>(consumer.assignment().stream().map(String::valueOf).toList());
    }
}
