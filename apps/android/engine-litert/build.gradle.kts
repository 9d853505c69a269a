plugins {
    id("com.android.library")
    kotlin("android")
}

android {
    namespace = "edgeship.engine.litert"
    compileSdk = 36
    defaultConfig {
        minSdk = 26
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    sourceSets["main"].kotlin.srcDir("src/main/kotlin")
}

dependencies {
    api(project(":core"))
    compileOnly("com.google.ai.edge.litert:litert:1.4.0")
    compileOnly("com.google.ai.edge.litert:litert-gpu:1.4.0")
    compileOnly("com.google.ai.edge.litert:litert-gpu-api:1.4.0")
}
