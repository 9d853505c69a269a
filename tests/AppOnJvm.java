// Answers a job as the Android app does, by its Kotlin agent with ONNX Runtime for desktops: java AppOnJvm.java JOB RESULT

import edgeship.bench.AgentKt;
import edgeship.bench.Machine;
import edgeship.engine.OnnxEngine;
import java.io.File;
import java.util.List;

class AppOnJvm {
    public static void main(String[] words) {
        var cpu = new edgeship.bench.Cpu(System.getProperty("os.arch").equals("aarch64") ? "arm64" : "x86_64", null, null, null);
        var system = new edgeship.bench.OperatingSystem("linux", null, null, null);
        var facts = new edgeship.bench.DeviceFacts(null, null, null, null, null, system, cpu, null, null, null, null, null, null);
        var agent = new edgeship.bench.Agent("android", "1", "release", null, false);
        var memory = new edgeship.bench.ProcMemory(new File("/proc/self"));
        var machine = new Machine(agent, facts, edgeship.bench.SystemClock.INSTANCE, memory, null, null, null);
        var runtime = new edgeship.bench.Runtime("onnxruntime", List.of("cpu", "xnnpack", "nnapi"), OnnxEngine::new);
        AgentKt.write(AgentKt.answer(new File(words[0]), List.of(runtime), machine, phase -> {}), new File(words[1]));
        System.exit(0);
    }
}
