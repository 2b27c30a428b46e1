// Runs the four assignors of Apache Kafka's Java client over the groups it reads.
//
//   in    topic NAME PARTITIONS
//         member ID INSTANCE SUBSCRIPTION    an instance id or -; ConsumerProtocolSubscription in hex
//         run ASSIGNOR                       over the topics and members so far, then forgets them
//   out   given ID ASSIGNMENT                ConsumerProtocolAssignment in hex, one for each member
//         done

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Assignment;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.GroupSubscription;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;

public class Assign {
    private static final HexFormat HEX = HexFormat.of();
    private static final Node[] NONE = {};

    private final List<PartitionInfo> partitions = new ArrayList<>();
    private final Map<String, Subscription> members = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        Assign group = new Assign();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            switch (words[0]) {
                case "topic" -> group.topic(words[1], Integer.parseInt(words[2]));
                case "member" -> group.member(words[1], words[2], words[3]);
                case "run" -> {
                    group.run(words[1]);
                    group = new Assign();
                }
                default -> throw new IllegalArgumentException(line);
            }
        }
    }

    private void topic(String name, int count) {
        for (int partition = 0; partition < count; partition++) {
            partitions.add(new PartitionInfo(name, partition, null, NONE, NONE));
        }
    }

    private void member(String id, String instance, String bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(HEX.parseHex(bytes));
        Subscription subscription = ConsumerProtocol.deserializeSubscription(buffer);
        subscription.setGroupInstanceId(instance.equals("-") ? Optional.empty() : Optional.of(instance));
        members.put(id, subscription);
    }

    private void run(String name) {
        Cluster cluster = new Cluster("here", List.of(), partitions, Set.of(), Set.of());
        Map<String, Assignment> given =
                assignor(name).assign(cluster, new GroupSubscription(members)).groupAssignment();
        given.forEach((id, assignment) -> {
            ByteBuffer bytes = ConsumerProtocol.serializeAssignment(assignment);
            System.out.println("given " + id + " " + HEX.formatHex(bytes.array()));
        });
        System.out.println("done");
    }

    private static ConsumerPartitionAssignor assignor(String name) {
        return switch (name) {
            case "range" -> new RangeAssignor();
            case "roundrobin" -> new RoundRobinAssignor();
            case "sticky" -> new StickyAssignor();
            case "cooperative-sticky" -> new CooperativeStickyAssignor();
            default -> throw new IllegalArgumentException(name);
        };
    }
}
