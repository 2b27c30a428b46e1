// What the admin client is told.

import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaFilter;

public class AdminChecks {
    private AdminChecks() {}

    private static TopicPartition zero(String topic) {
        return new TopicPartition(topic, 0);
    }

    /** The cluster has one node, which is also its controller. */
    public static void cluster(Checks checks) throws Exception {
        var cluster = checks.admin.describeCluster();
        Collection<Node> nodes = Checks.get(cluster.nodes());
        Node only = nodes.iterator().next();
        checks.see(nodes.size(), Checks.get(cluster.controller()).id() == only.id(),
                (only.host() + ":" + only.port()).equals(checks.bootstrap),
                Checks.get(cluster.clusterId()).isEmpty());
        checks.see(Checks.get(checks.admin.describeFeatures().featureMetadata()) != null);
    }

    /** Topics are described by name and by id, on several pages. */
    public static void topics(Checks checks) throws Exception {
        String prefix = checks.fresh("paged");
        List<String> names = List.of(prefix + "-a", prefix + "-b", prefix + "-c");
        Checks.get(checks.admin.createTopics(
                names.stream().map(name -> new NewTopic(name, 3, (short) 1)).toList()).all());
        for (int limit : List.of(1, 2, 5, 2000)) {
            Map<String, TopicDescription> found = Checks.get(checks.admin.describeTopics(names,
                    new DescribeTopicsOptions().partitionSizeLimitPerResponse(limit)).allTopicNames());
            checks.see(limit, found.size(), found.values().stream()
                    .allMatch(each -> each.partitions().size() == 3
                            && each.partitions().stream().allMatch(p -> p.leader() != null)));
        }
        TopicDescription first = Checks.get(checks.admin.describeTopics(names).allTopicNames())
                .get(names.get(0));
        var byId = Checks.get(checks.admin.describeTopics(
                org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(first.topicId())))
                .allTopicIds());
        checks.see(byId.get(first.topicId()).name().equals(names.get(0)));
        checks.seeError("unknown", () -> Checks.get(
                checks.admin.describeTopics(List.of("no-such-topic")).allTopicNames()));
        checks.see(Checks.get(checks.admin.listTopics().names()).containsAll(names));
    }

    /** Creation: what is echoed, what is only validated, what is refused, and deletion. */
    public static void creation(Checks checks) throws Exception {
        String name = checks.fresh("created");
        var created = checks.admin.createTopics(List.of(
                new NewTopic(name, Optional.empty(), Optional.empty())
                        .configs(Map.of("retention.ms", "1234"))));
        Checks.get(created.all());
        Config configs = Checks.get(created.config(name));
        checks.see(Checks.get(created.numPartitions(name)), Checks.get(created.replicationFactor(name)),
                configs.get("retention.ms").value(), configs.entries().size());
        checks.seeError("again", () -> Checks.get(checks.admin.createTopics(
                List.of(new NewTopic(name, 1, (short) 1))).all()));
        String other = checks.fresh("created");
        Checks.get(checks.admin.createTopics(List.of(new NewTopic(other, 1, (short) 1)),
                new CreateTopicsOptions().validateOnly(true)).all());
        checks.see(Checks.get(checks.admin.listTopics().names()).contains(other));
        checks.seeError("replicas", () -> Checks.get(checks.admin.createTopics(
                List.of(new NewTopic(other, 1, (short) 2))).all()));
        checks.seeError("partitions", () -> Checks.get(checks.admin.createTopics(
                List.of(new NewTopic(other, 0, (short) 1))).all()));
        checks.seeError("name", () -> Checks.get(checks.admin.createTopics(
                List.of(new NewTopic("a b", 1, (short) 1))).all()));
        checks.seeError("config", () -> Checks.get(checks.admin.createTopics(
                List.of(new NewTopic(other, 1, (short) 1).configs(Map.of("no", "1")))).all()));
        Checks.get(checks.admin.createPartitions(Map.of(name, NewPartitions.increaseTo(5))).all());
        checks.see(Checks.get(checks.admin.describeTopics(List.of(name)).allTopicNames())
                .get(name).partitions().size());
        checks.seeError("fewer", () -> Checks.get(
                checks.admin.createPartitions(Map.of(name, NewPartitions.increaseTo(5))).all()));
        checks.seeError("of none", () -> Checks.get(
                checks.admin.createPartitions(Map.of(other, NewPartitions.increaseTo(5))).all()));
        Checks.get(checks.admin.deleteTopics(List.of(name)).all());
        checks.seeError("gone", () -> Checks.get(checks.admin.deleteTopics(List.of(name)).all()));
    }

    /** Lists are appended to and taken from; a topic's configs come with their sources. */
    public static void configs(Checks checks) throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, checks.topic(1));
        for (AlterConfigOp.OpType kind : List.of(AlterConfigOp.OpType.APPEND,
                AlterConfigOp.OpType.SUBTRACT, AlterConfigOp.OpType.SET, AlterConfigOp.OpType.DELETE)) {
            Checks.get(checks.admin.incrementalAlterConfigs(Map.of(topic, List.of(
                    new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), kind)))).all());
            ConfigEntry entry = Checks.get(checks.admin.describeConfigs(List.of(topic)).all())
                    .get(topic).get("cleanup.policy");
            checks.see(kind, entry.value(), entry.source());
        }
        checks.seeError("append", () -> Checks.get(checks.admin.incrementalAlterConfigs(
                Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "1"),
                        AlterConfigOp.OpType.APPEND)))).all()));
        ConfigResource none = new ConfigResource(ConfigResource.Type.TOPIC, "no-such-topic");
        checks.seeError("none", () -> Checks.get(checks.admin.describeConfigs(List.of(none)).all()));
        ConfigEntry typed = Checks.get(checks.admin.describeConfigs(List.of(topic)).all())
                .get(topic).get("retention.ms");
        checks.see(typed.type(), typed.isDefault(), typed.isReadOnly(), typed.isSensitive());
    }

    /** Each way to name an offset. */
    public static void offsets(Checks checks) throws Exception {
        String topic = checks.topic(1);
        checks.see(offset(checks, topic, OffsetSpec.maxTimestamp()).offset());
        try (KafkaProducer<String, String> producer = checks.producer()) {
            for (long time : List.of(1000L, 3000L, 2000L)) {
                producer.send(new org.apache.kafka.clients.producer.ProducerRecord<>(
                        topic, 0, time, null, "x")).get();
            }
        }
        Map<String, OffsetSpec> specs = new TreeMap<>(Map.of(
                "earliest", OffsetSpec.earliest(), "latest", OffsetSpec.latest(),
                "max", OffsetSpec.maxTimestamp(), "time", OffsetSpec.forTimestamp(1500),
                "late", OffsetSpec.forTimestamp(9999), "local", OffsetSpec.earliestLocal(),
                "tiered", OffsetSpec.latestTiered()));
        for (var spec : specs.entrySet()) {
            var found = offset(checks, topic, spec.getValue());
            checks.see(spec.getKey(), found.offset(), found.timestamp(), found.leaderEpoch());
        }
        var deleted = checks.admin.deleteRecords(Map.of(zero(topic), RecordsToDelete.beforeOffset(2)));
        checks.see(Checks.get(deleted.lowWatermarks().get(zero(topic))).lowWatermark(),
                offset(checks, topic, OffsetSpec.earliest()).offset());
        checks.seeError("beyond", () -> Checks.get(checks.admin.deleteRecords(
                Map.of(zero(topic), RecordsToDelete.beforeOffset(9))).all()));
    }

    private static ListOffsetsResult.ListOffsetsResultInfo offset(
            Checks checks, String topic, OffsetSpec spec) throws Exception {
        return Checks.get(checks.admin.listOffsets(Map.of(zero(topic), spec)).all()).get(zero(topic));
    }

    /** The directory that holds a topic, and how much it takes. */
    public static void logDirs(Checks checks) throws Exception {
        String topic = checks.topic(2);
        try (KafkaProducer<String, String> producer = checks.producer()) {
            Checks.send(producer, topic, "one");
        }
        int node = Checks.get(checks.admin.describeCluster().nodes()).iterator().next().id();
        Map<String, LogDirDescription> dirs =
                Checks.get(checks.admin.describeLogDirs(List.of(node)).allDescriptions()).get(node);
        LogDirDescription only = dirs.values().iterator().next();
        checks.see(dirs.size(), only.error(), only.totalBytes().isPresent(),
                only.replicaInfos().get(zero(topic)).size() > 0,
                only.replicaInfos().get(new TopicPartition(topic, 1)).size());
    }

    /** A transaction as the admin sees it, and what it may do about it. */
    public static void transactions(Checks checks) throws Exception {
        String topic = checks.topic(1);
        String id = checks.fresh("watched");
        KafkaProducer<String, String> producer = checks.producer("transactional.id=" + id);
        producer.initTransactions();
        producer.beginTransaction();
        Checks.send(producer, topic, "one");
        var listed = Checks.get(checks.admin.listTransactions().all()).stream()
                .filter(each -> each.transactionalId().equals(id)).toList();
        TransactionDescription described =
                Checks.get(checks.admin.describeTransactions(List.of(id)).all()).get(id);
        checks.see(listed.get(0).state(), described.state(),
                described.topicPartitions().equals(Set.of(zero(topic))),
                described.producerId() == listed.get(0).producerId());
        ProducerState held = Checks.get(checks.admin.describeProducers(List.of(zero(topic)))
                .partitionResult(zero(topic))).activeProducers().get(0);
        checks.see(held.producerId() == described.producerId(), held.lastSequence(),
                held.currentTransactionStartOffset().getAsLong());
        checks.see(Checks.get(checks.admin.listTransactions(new ListTransactionsOptions()
                .filterProducerIds(Set.of(held.producerId()))).all()).size(),
                Checks.get(checks.admin.listTransactions(new ListTransactionsOptions()
                        .filterOnDuration(3_600_000L)).all()).size());
        checks.seeError("abort", () -> Checks.get(checks.admin.abortTransaction(
                new AbortTransactionSpec(zero(topic), held.producerId(),
                        (short) held.producerEpoch(), held.coordinatorEpoch().orElse(0))).all()));
        var fenced = checks.admin.fenceProducers(List.of(id));
        checks.see(Checks.get(fenced.producerId(id)) == held.producerId(),
                Checks.get(fenced.epochId(id)) > held.producerEpoch());
        checks.seeError("commit", producer::commitTransaction);
        producer.close(Duration.ZERO);
        checks.see("[" + checks.committed(topic) + "]");
        checks.seeError("unknown", () -> Checks.get(
                checks.admin.describeTransactions(List.of("no-such-id")).all()));
    }

    /** Elections and reassignments of one node change nothing. */
    public static void leaders(Checks checks) throws Exception {
        String topic = checks.topic(1);
        Set<TopicPartition> partitions = Set.of(zero(topic));
        for (ElectionType kind : ElectionType.values()) {
            checks.seeError(kind.toString(),
                    () -> Checks.get(checks.admin.electLeaders(kind, partitions).all()));
        }
        checks.see(Checks.get(checks.admin.listPartitionReassignments().reassignments()));
        int node = Checks.get(checks.admin.describeCluster().nodes()).iterator().next().id();
        checks.seeError("same", () -> Checks.get(checks.admin.alterPartitionReassignments(Map.of(
                zero(topic), Optional.of(new NewPartitionReassignment(List.of(node))))).all()));
        checks.seeError("other", () -> Checks.get(checks.admin.alterPartitionReassignments(Map.of(
                zero(topic), Optional.of(new NewPartitionReassignment(List.of(node + 7))))).all()));
        checks.seeError("cancel", () -> Checks.get(checks.admin.alterPartitionReassignments(
                Map.of(zero(topic), Optional.empty())).all()));
    }

    /** No authorizer, no quotas, no users. */
    public static void security(Checks checks) throws Exception {
        checks.seeError("acls", () -> Checks.get(
                checks.admin.describeAcls(AclBindingFilter.ANY).values()));
        checks.seeError("delete acls", () -> Checks.get(
                checks.admin.deleteAcls(List.of(AclBindingFilter.ANY)).all()));
        checks.see("quotas", Checks.get(
                checks.admin.describeClientQuotas(ClientQuotaFilter.all()).entities()));
        checks.see("users", Checks.get(checks.admin.describeUserScramCredentials().all()));
        checks.seeError("user", () -> Checks.get(
                checks.admin.describeUserScramCredentials(List.of("u")).description("u")));
    }

    /** Groups are listed, described, emptied and deleted, with and without members. */
    public static void groups(Checks checks) throws Exception {
        String topic = checks.topic(2);
        String group = checks.fresh("seen");
        TopicPartition one = new TopicPartition(topic, 1);
        try (KafkaConsumer<String, String> consumer =
                checks.consumer("group.id=" + group, "client.id=me", "group.instance.id=self")) {
            consumer.subscribe(Set.of(topic));
            while (consumer.assignment().isEmpty()) {
                consumer.poll(Duration.ofMillis(100));
            }
            consumer.commitSync(Map.of(zero(topic), new OffsetAndMetadata(1),
                    one, new OffsetAndMetadata(2)));
            ConsumerGroupDescription found = Checks.get(
                    checks.admin.describeConsumerGroups(List.of(group)).all()).get(group);
            var member = found.members().iterator().next();
            checks.see(found.groupState(), found.type(), found.partitionAssignor(),
                    found.isSimpleConsumerGroup(), member.clientId(), member.groupInstanceId(),
                    member.host(), member.assignment().topicPartitions().size());
            checks.see(Checks.get(checks.admin.describeClassicGroups(List.of(group)).all())
                    .get(group).protocol());
            checks.seeError("delete", () -> Checks.get(
                    checks.admin.deleteConsumerGroups(List.of(group)).all()));
            checks.seeError("delete offsets", () -> Checks.get(
                    checks.admin.deleteConsumerGroupOffsets(group, Set.of(one)).all()));
            checks.seeError("alter offsets", () -> Checks.get(checks.admin.alterConsumerGroupOffsets(
                    group, Map.of(one, new OffsetAndMetadata(5))).all()));
        }
        Checks.get(checks.admin.removeMembersFromConsumerGroup(group,
                new org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions()).all());
        Checks.get(checks.admin.deleteConsumerGroupOffsets(group, Set.of(one)).all());
        Checks.get(checks.admin.alterConsumerGroupOffsets(
                group, Map.of(zero(topic), new OffsetAndMetadata(5))).all());
        checks.see(checks.offsets(group));
        checks.see(Checks.get(checks.admin.listGroups().all()).stream()
                .filter(each -> each.groupId().equals(group))
                .map(each -> each.groupState() + " " + each.type() + " " + each.protocol()).toList());
        Checks.get(checks.admin.deleteConsumerGroups(List.of(group)).all());
        checks.seeError("gone", () -> Checks.get(
                checks.admin.deleteConsumerGroups(List.of(group)).all()));
        checks.seeError("unknown", () -> Checks.get(
                checks.admin.describeConsumerGroups(List.of(group)).all()));
    }
}
