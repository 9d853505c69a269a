// What this phone is.

import BenchCore
import UIKit

/// `processStartNs`: from the start of the process to the job, where the app was started for it.
@MainActor
func phone(processStartNs: Int? = nil) -> Machine {
    #if DEBUG
        let build = "debug"
    #else
        let build = "release"
    #endif
    return Machine(
        AgentFacts(version: "1", build: build), facts(), memory: SystemMemory(), thermal: SystemThermal(),
        processStartNs: processStartNs)
}

@MainActor
private func facts() -> DeviceFacts {
    #if targetEnvironment(simulator)
        let isSimulator = true
    #else
        let isSimulator = false
    #endif
    let process = ProcessInfo.processInfo
    let system = UIDevice.current.userInterfaceIdiom == .pad ? "ipados" : "ios"
    return DeviceFacts(
        manufacturer: "Apple", model: hardwareName(), os: OperatingSystem(system, UIDevice.current.systemVersion),
        cpu: Processor(abi, cores: process.processorCount), ram: Int(process.physicalMemory), emulator: isSimulator)
}

#if arch(arm64)
    let abi = "arm64"
#else
    let abi = "x86_64"
#endif

/// iPhone17,1 and the like.
private func hardwareName() -> String {
    var system = utsname()
    uname(&system)
    return withUnsafeBytes(of: &system.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

/// By the kernel's own record of this process; nil where it does not tell.
func sinceProcessStartNs() -> Int? {
    var about = kinfo_proc()
    var size = MemoryLayout<kinfo_proc>.stride
    var place = [CTL_KERN, KERN_PROC, KERN_PROC_PID, getpid()]
    guard sysctl(&place, UInt32(place.count), &about, &size, nil, 0) == 0 else { return nil }
    let start = about.kp_proc.p_un.__p_starttime
    let started = Double(start.tv_sec) + Double(start.tv_usec) / 1e6
    return max(0, Int((Date().timeIntervalSince1970 - started) * 1e9))
}
