// Runs Kafka's command-line tools, unchanged, in one Java machine, one after another.
//
//   in    {"tool": CLASS, "arguments": [...], "input": TEXT}    a line; the text is the tool's stdin
//   out   whatever the tool prints, stdout and stderr
//         \u0004STATUS                                           a line; the tool's exit status
//
// Each tool has a thread of its own. Where it would end the process, its thread stops for good, so
// that the tool sees no more of its end than it would alone; then its shutdown hooks run. They are
// taken from the runtime's own list: run with --add-opens java.base/java.lang=ALL-UNNAMED.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.common.utils.Exit;

public class Tools {
    private static CompletableFuture<Integer> ended = new CompletableFuture<>();

    public static void main(String[] unused) throws Exception {
        Exit.setExitProcedure((status, message) -> end(status));
        Exit.setHaltProcedure((status, message) -> end(status));
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        ObjectMapper json = new ObjectMapper();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            int status = run(json.readTree(line));
            System.err.flush();
            System.out.println("\n\u0004" + status);
            System.out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static int run(JsonNode asked) throws Exception {
        ended = new CompletableFuture<>();
        Map<Thread, Thread> hooks = hooks();
        Set<Thread> before = Set.copyOf(hooks.keySet());
        List<String> arguments = new ArrayList<>();
        asked.get("arguments").forEach(argument -> arguments.add(argument.asText()));
        byte[] input = asked.get("input").asText().getBytes(StandardCharsets.UTF_8);
        System.setIn(new ByteArrayInputStream(input));
        Thread tool = new Thread(() -> call(asked.get("tool").asText(), arguments));
        tool.setDaemon(true);
        tool.start();
        int status = ended.get();
        for (Thread hook : List.copyOf(hooks.keySet())) {
            if (!before.contains(hook)) {
                hooks.remove(hook);
                hook.start();
                hook.join();
            }
        }
        return status;
    }

    @SuppressWarnings("unchecked")
    private static Map<Thread, Thread> hooks() throws ReflectiveOperationException {
        Field field = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
        field.setAccessible(true);
        return (Map<Thread, Thread>) field.get(null);
    }

    private static void call(String name, List<String> arguments) {
        try {
            Class.forName(name)
                    .getMethod("main", String[].class)
                    .invoke(null, (Object) arguments.toArray(new String[0]));
            ended.complete(0);
        } catch (InvocationTargetException thrown) {
            thrown.getCause().printStackTrace();
            ended.complete(1);
        } catch (ReflectiveOperationException wrong) {
            wrong.printStackTrace();
            ended.complete(127);
        }
    }

    private static void end(int status) {
        ended.complete(status);
        while (true) {
            LockSupport.park();
        }
    }
}
