/** What this phone is, and Android's probes of its memory and heat. */
package edgeship.app

import android.app.ActivityManager
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.content.pm.ApplicationInfo
import android.os.BatteryManager
import android.os.Build
import android.os.Debug
import android.os.PowerManager
import android.os.Process
import android.os.SystemClock as PhoneClock
import edgeship.bench.Agent
import edgeship.bench.Cpu
import edgeship.bench.DeviceFacts
import edgeship.bench.Environment
import edgeship.bench.Machine
import edgeship.bench.MemoryProbe
import edgeship.bench.OperatingSystem
import edgeship.bench.ProcMemory
import edgeship.bench.SystemClock
import edgeship.bench.ThermalProbe
import edgeship.bench.VERSION
import java.io.File

private const val KIB = 1024L
private const val MS_IN_NS = 1_000_000L
private const val TENTHS = 10.0
private const val PERCENT = 100.0
private val ARCHES = mapOf("arm64-v8a" to "arm64", "armeabi-v7a" to "armv7", "x86_64" to "x86_64")
private val STATUSES = listOf("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")

/** [processStartNs]: from the start of the process to the job, where the process was started for it. */
fun androidMachine(context: Context, processStartNs: Long? = null): Machine = Machine(
    agent = Agent("android", VERSION, if (isDebuggable(context)) "debug" else "release", importsTorch = false),
    facts = facts(context),
    clock = SystemClock,
    memory = AndroidMemory(),
    thermal = AndroidThermal(context),
    processStartNs = processStartNs,
    labels = mapOf("low_ram" to "${context.getSystemService(ActivityManager::class.java).isLowRamDevice}"),
)

fun sinceProcessStartNs(): Long = (PhoneClock.elapsedRealtime() - Process.getStartElapsedRealtime()) * MS_IN_NS

/** Android/media/PACKAGE: `adb` and the user reach it, and this app. Android has deprecated it, and nothing else is that. */
@Suppress("DEPRECATION")
fun mediaFolder(context: Context): File? = context.externalMediaDirs.firstOrNull()?.apply { mkdirs() }

private fun isDebuggable(context: Context) = context.applicationInfo.flags and ApplicationInfo.FLAG_DEBUGGABLE != 0

private fun facts(context: Context): DeviceFacts {
    val activities = context.getSystemService(ActivityManager::class.java)
    val memory = ActivityManager.MemoryInfo().also(activities::getMemoryInfo)
    return DeviceFacts(
        manufacturer = Build.MANUFACTURER,
        model = Build.MODEL,
        soc = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) Build.SOC_MODEL else Build.HARDWARE,
        os = OperatingSystem("android", Build.VERSION.RELEASE, Build.VERSION.SDK_INT, Build.TYPE),
        cpu = Cpu(ARCHES.getValue(Build.SUPPORTED_ABIS.first()), Runtime.getRuntime().availableProcessors()),
        ram = memory.totalMem,
        emulator = Build.HARDWARE in setOf("ranchu", "goldfish"),
    )
}

/** The kernel's counters, and what Android counts apart. */
private class AndroidMemory : MemoryProbe {
    private val kernel = ProcMemory()

    override fun counters(): Map<String, Long> {
        val apart = Debug.MemoryInfo().also(Debug::getMemoryInfo)
        return kernel.counters() + mapOf(
            "pss" to apart.totalPss * KIB,
            "private_dirty" to apart.totalPrivateDirty * KIB,
            "native_heap" to Debug.getNativeHeapAllocatedSize(),
            "java_heap" to Runtime.getRuntime().let { it.totalMemory() - it.freeMemory() },
        )
    }

    override fun resetPeak(): Map<String, Long> = kernel.resetPeak()
}

/** Thermal status and headroom (Android asks for at most one a second), and the battery. */
private class AndroidThermal(private val context: Context) : ThermalProbe {
    private val power = context.getSystemService(PowerManager::class.java)

    override fun state(atNs: Long): Environment {
        val battery = context.registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED))
        fun number(key: String) = battery?.getIntExtra(key, -1)?.takeIf { it >= 0 }
        val scale = number(BatteryManager.EXTRA_SCALE) ?: PERCENT.toInt()
        return Environment(
            t = atNs,
            thermal = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) STATUSES.getOrNull(power.currentThermalStatus) else null,
            headroom = headroom(),
            batteryC = number(BatteryManager.EXTRA_TEMPERATURE)?.let { it / TENTHS },
            batteryPct = number(BatteryManager.EXTRA_LEVEL)?.let { it * PERCENT / scale },
            charging = number(BatteryManager.EXTRA_PLUGGED)?.let { it != 0 },
            powerSave = power.isPowerSaveMode,
        )
    }

    /** 1 is where the phone is throttled severely; null where it does not tell, which Android says as NaN. */
    private fun headroom(): Double? =
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.R) null else power.getThermalHeadroom(0).takeIf(Float::isFinite)?.toDouble()
}
