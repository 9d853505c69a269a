plugins {
    kotlin("jvm")
}

kotlin {
    jvmToolchain(17)
}

dependencies {
    api(project(":core"))
    compileOnly("com.microsoft.onnxruntime:onnxruntime:1.29.0") // the app brings onnxruntime-android, of the same classes
}
