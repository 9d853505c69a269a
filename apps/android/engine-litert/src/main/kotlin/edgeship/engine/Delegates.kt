/** What LiteRT offers a file's nodes to before its own kernels. */
package edgeship.engine

import org.tensorflow.lite.Delegate
import org.tensorflow.lite.gpu.GpuDelegate
import org.tensorflow.lite.gpu.GpuDelegateFactory
import org.tensorflow.lite.nnapi.NnApiDelegate

/** The delegate of [Load.backend], to be closed after its interpreter; throws whatever the runtime says against it. */
internal fun delegate(load: Load): Delegate = when (load.backend) {
    "gpu" -> GpuDelegate(gpuOptions(load.float16))
    "nnapi" -> NnApiDelegate(nnapiOptions(load.float16))
    else -> throw IllegalArgumentException("LiteRT has gpu and nnapi")
}

/** It computes in half precision unless it is told not to. */
internal fun gpuOptions(float16: Boolean): GpuDelegateFactory.Options =
    GpuDelegateFactory.Options().setPrecisionLossAllowed(float16)

/** Without the CPU among NNAPI's devices: its reference kernels are slower than the runtime's. */
internal fun nnapiOptions(float16: Boolean): NnApiDelegate.Options =
    NnApiDelegate.Options().setAllowFp16(float16).setUseNnapiCpu(false)
