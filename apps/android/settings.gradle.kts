// The build for users: an APK per runtime. Needs the Android SDK; what can be checked without it is in pom.xml.
pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode = RepositoriesMode.FAIL_ON_PROJECT_REPOS
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "edgeship"
include(":core", ":engine-onnx", ":engine-executorch", ":engine-litert", ":app")
