"""Running out of memory is recognised in every library's words, and nothing else is taken for it."""

from __future__ import annotations

import pytest

from env.machine.out_of_memory import ran_out_of_memory


@pytest.mark.parametrize(
    "words",
    [
        "CUDA out of memory. Tried to allocate 1.20 GiB. GPU 0 has a total capacity of 23.68 GiB",
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call",
        "CUDA driver error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
        "Triton Error [CUDA]: out of memory",
        "Triton Error [HIP]: out of memory",
        "HIP out of memory. Tried to allocate 20.00 MiB",
        "HIP error: out of memory",
        "HIP error: HIPBLAS_STATUS_ALLOC_FAILED when calling `hipblasCreate(handle)`",
        "XPU out of memory. Tried to allocate 2.00 GiB",
        "MPS backend out of memory (MPS allocated: 17.9 GB, other allocations: 400 MB, max allowed: 18.1 GB)",
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes",
        "[metal::malloc] Attempting to allocate 1073741824 bytes which is greater than the maximum allowed buffer size",
        "[malloc_or_wait] Unable to allocate 4096 bytes.",
        "[METAL] Command buffer execution failed: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
    ],
)
def test_a_library_s_words_for_it_are_recognised(words: str) -> None:
    assert ran_out_of_memory(RuntimeError(words))
    assert not ran_out_of_memory(ValueError(words))


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: device-side assert triggered",
        "CUBLAS_STATUS_EXECUTION_FAILED",
        "out of resource: shared memory, Required: 106496, Hardware limit: 101376",
        "shapes do not match",
        "the tensor's storage is out of memory format",
    ],
)
def test_other_errors_are_not(words: str) -> None:
    assert not ran_out_of_memory(RuntimeError(words))
    assert ran_out_of_memory(MemoryError())
