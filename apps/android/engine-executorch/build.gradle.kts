plugins {
    id("com.android.library")
    kotlin("android")
}

android {
    namespace = "edgeship.engine.executorch"
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
    compileOnly("org.pytorch:executorch-android:1.4.0") {
        exclude("androidx.core", "core-ktx") // nothing in it uses it
    }
}
