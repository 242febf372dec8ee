"""Whether an exception says that memory ran out, in the words of every library that computes here; none is imported."""

from __future__ import annotations

import re

# As the libraries spell it: torch's allocators for CUDA, HIP, XPU, MPS and CPU, CUDA's runtime and driver, the math
# libraries' status codes, Triton, and mlx's allocator for Metal.
_SPELLINGS = re.compile(
    r"(CUDA|HIP|XPU) (error: |driver error: )?out of memory|MPS backend out of memory"
    r"|Triton Error \[\w+\]: out of memory"
    r"|cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY|hipErrorOutOfMemory"
    r"|(CUBLAS|CUDNN|CUSOLVER|CUSPARSE|CUFFT|HIPBLAS|HIPSOLVER|HIPSPARSE|HIPFFT)_\w*ALLOC\w*_FAILED"
    r"|rocblas_status_memory_error|miopenStatusAllocFailed|UR_RESULT_ERROR_OUT_OF_(HOST|DEVICE)_MEMORY"
    r"|not enough memory: you tried to allocate|DefaultCPUAllocator: (not enough|can't allocate) memory"
    r"|metal::malloc|\[malloc(_or_wait)?\]|kIOGPUCommandBufferCallbackErrorOutOfMemory|Insufficient Memory"
)


class DeviceLost(RuntimeError):
    """Memory ran out on a device that does not answer since: only a new process can use it. ``rows`` were at work."""

    def __init__(self, rows: int, why: str) -> None:
        super().__init__(f"memory ran out with {rows} rows, and the GPU does not answer since: {why}")
        self.rows = rows


def ran_out_of_memory(error: BaseException) -> bool:
    """Return whether ``error`` is Python's MemoryError, torch's OutOfMemoryError, or a RuntimeError in these words."""
    if isinstance(error, MemoryError):
        return True
    kinds = type(error).__mro__
    if any(kind.__name__ == "OutOfMemoryError" and kind.__module__.partition(".")[0] == "torch" for kind in kinds):
        return True
    return isinstance(error, RuntimeError) and bool(_SPELLINGS.search(str(error)))
