// swift-tools-version: 6.0
// What the iOS app stands on and the tests run on Linux, too: no framework of Apple's beyond Foundation and CryptoKit.
import PackageDescription

let package = Package(
    name: "BenchCore",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [
        .library(name: "BenchCore", targets: ["BenchCore"]),
        .library(name: "EdgeshipContract", targets: ["EdgeshipContract"]),
        .library(name: "HarnessCore", targets: ["HarnessCore"]),
    ],
    targets: [
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        .target(name: "BenchCore", dependencies: [.target(name: "COpenSSL", condition: .when(platforms: [.linux]))]),
        .target(name: "EdgeshipContract"),
        .target(name: "HarnessCore", dependencies: ["BenchCore", "EdgeshipContract"]),
        .executableTarget(name: "conformance", dependencies: ["BenchCore", "EdgeshipContract"]),
        .testTarget(name: "BenchCoreTests", dependencies: ["BenchCore"]),
        // real inference, by the library of ONNX Runtime's Python wheel
        .systemLibrary(name: "COnnxRuntime"),
        .testTarget(
            name: "InferenceTests", dependencies: ["HarnessCore", "EdgeshipContract", "COnnxRuntime"],
            // with the wrapper that apps/ios/test-core brings
            swiftSettings: Context.environment["EDGESHIP_DATA"] == nil ? [] : [.define("GENERATED")]),
    ]
)
