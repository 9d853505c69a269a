// The clock, the memory counters and the thermal state of Apple's systems and of Linux.

import Foundation

#if canImport(Darwin)
    public struct SystemClock: MonotonicClock {
        public let source = "CLOCK_UPTIME_RAW"

        public init() {}

        public func nowNs() -> Int {
            Int(clock_gettime_nsec_np(CLOCK_UPTIME_RAW))
        }
    }

    /// What the system holds against an app: its footprint, and the peak of it, which cannot be set back.
    public struct SystemMemory: MemoryProbe {
        public init() {}

        public func counters() throws -> [String: Int] {
            var info = task_vm_info_data_t()
            var count = mach_msg_type_number_t(MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size)
            let answer = withUnsafeMutablePointer(to: &info) { pointer in
                pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
                    task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), $0, &count)
                }
            }
            guard answer == KERN_SUCCESS else { throw POSIXError(.EIO) }
            return [
                "phys_footprint": Int(info.phys_footprint),
                "phys_footprint_peak": Int(info.ledger_phys_footprint_peak),
            ]
        }

        public func resetPeak() throws -> [String: Int] {
            try counters()
        }
    }

    public struct SystemThermal: ThermalProbe {
        public init() {}

        public func state(atNs: Int) -> MachineState {
            let thermal =
                switch ProcessInfo.processInfo.thermalState {
                case .nominal: "none"
                case .fair: "light"
                case .serious: "severe"
                case .critical: "critical"
                @unknown default: String?.none
                }
            var state = MachineState(t: atNs, thermal: thermal)
            state.powerSave = ProcessInfo.processInfo.isLowPowerModeEnabled
            return state
        }
    }
#else
    public struct SystemClock: MonotonicClock {
        public let source = "CLOCK_MONOTONIC"

        public init() {}

        public func nowNs() -> Int {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return time.tv_sec * 1_000_000_000 + time.tv_nsec
        }
    }

    /// The kernel's counters of this process.
    public struct SystemMemory: MemoryProbe {
        private static let names = [
            "VmRSS": "vm_rss", "VmHWM": "vm_hwm", "RssAnon": "rss_anon", "RssFile": "rss_file", "VmSwap": "vm_swap",
        ]

        public init() {}

        public func counters() throws -> [String: Int] {
            var found: [String: Int] = [:]
            for line in try String(contentsOfFile: "/proc/self/status", encoding: .utf8).split(separator: "\n") {
                let words = line.split { " :\t".contains($0) }
                guard words.count > 1, let name = Self.names[String(words[0])], let kib = Int(words[1]) else {
                    continue
                }
                found[name] = kib * 1024
            }
            return found
        }

        public func resetPeak() throws -> [String: Int] {
            // where it may not be set, it is what is resident at this early point
            try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
            return try counters()
        }
    }
#endif
