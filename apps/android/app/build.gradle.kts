import java.util.Properties

plugins {
    id("com.android.application")
    kotlin("android")
}

/** signing.properties beside settings.gradle.kts: storeFile, storePassword, keyAlias, keyPassword (README.md). */
val signing = Properties().apply {
    rootProject.file("signing.properties").takeIf { it.exists() }?.inputStream()?.use { load(it) }
}

android {
    namespace = "edgeship.app"
    compileSdk = 36

    defaultConfig {
        applicationId = "dev.edgeship.app"
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
    }

    // one runtime per app: their native libraries are large, and two of them bring the same symbols
    flavorDimensions += "runtime"
    productFlavors {
        create("onnx") { applicationIdSuffix = ".onnx" }
        create("executorch") { applicationIdSuffix = ".executorch" }
        create("litert") { applicationIdSuffix = ".litert" }
    }

    signingConfigs {
        create("own") {
            if (!signing.isEmpty) {
                storeFile = rootProject.file(signing.getProperty("storeFile"))
                storePassword = signing.getProperty("storePassword")
                keyAlias = signing.getProperty("keyAlias")
                keyPassword = signing.getProperty("keyPassword")
            }
        }
    }
    buildTypes {
        release {
            isMinifyEnabled = false
            signingConfig = signingConfigs[if (signing.isEmpty) "debug" else "own"]
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    packaging {
        jniLibs {
            useLegacyPackaging = false // stored and aligned: mapped where they lie
        }
        resources {
            excludes += listOf("META-INF/versions/**", "META-INF/*.kotlin_module")
        }
    }
    androidResources {
        noCompress += "zip" // bundles are stored already
    }
}

dependencies {
    // docs: runtime
    implementation(project(":core"))
    "onnxImplementation"(project(":engine-onnx"))
    "onnxImplementation"("com.microsoft.onnxruntime:onnxruntime-android:1.29.0")
    // docs: end
    "executorchImplementation"(project(":engine-executorch"))
    "executorchImplementation"("org.pytorch:executorch-android:1.4.0") {
        exclude("androidx.core", "core-ktx") // nothing in it uses it
    }
    "litertImplementation"(project(":engine-litert"))
    "litertImplementation"("com.google.ai.edge.litert:litert:1.4.0")
    // the GPU delegate, of the same version: its library has another's structures in its hands
    "litertImplementation"("com.google.ai.edge.litert:litert-gpu:1.4.0")
    "litertImplementation"("com.google.ai.edge.litert:litert-gpu-api:1.4.0")
}
