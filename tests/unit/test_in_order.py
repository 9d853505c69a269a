"""Modules by the order of layers: told where profile and file agree, and nothing where it is not sure."""

from __future__ import annotations

import pytest

from edgeship.toolchain.model.in_order import modules_in_order, origins_of

LAYERS = [
    ("XNNPACK Conv2d 1", "stem (conv2d)"),
    ("XNNPACK PReLU 2", "act (prelu)"),
    ("XNNPACK DepthwiseConv2d 3", "body.0 (conv2d)"),
    ("XNNPACK Conv2d 1", "body.1 (conv2d)"),
    ("XNNPACK ConvTranspose2d 5", "up (conv_transpose2d)"),
    ("XNNPACK FullyConnected 0", "linear"),
]
PROFILE = [
    "Transpose (ND, X32)",
    "Convolution (NHWC, F32) IGEMM",
    "Convolution (NHWC, F32) DWConv",
    "Fully Connected (NC, F32) GEMM",
    "Deconvolution (NHWC, F32) IGEMM",
    "native_call_mean.out",
    "Fully Connected (NC, F32) GEMM #2",
]


def test_layers_are_told_in_their_order_and_one_of_the_model_itself_is_not() -> None:
    origins = origins_of(LAYERS)
    assert list(origins) == ["0 Conv2d", "1 DepthwiseConv2d", "2 Conv2d", "3 ConvTranspose2d", "4 FullyConnected"]
    assert modules_in_order(origins, PROFILE) == {
        "Convolution (NHWC, F32) IGEMM": "stem",
        "Convolution (NHWC, F32) DWConv": "body.0",
        "Fully Connected (NC, F32) GEMM": "body.1",
        "Deconvolution (NHWC, F32) IGEMM": "up",
    }
    flatbuffer = [(f"{name} model/conv;2", layer) for name, layer in zip(
        ("CONV_2D", "PRELU", "DEPTHWISE_CONV_2D", "CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"),
        (layer for _, layer in LAYERS), strict=True,
    )]  # fmt: skip
    assert modules_in_order(origins_of(flatbuffer), PROFILE) == modules_in_order(origins, PROFILE)


@pytest.mark.parametrize(
    "profile",
    [
        PROFILE[:-1],  # one layer is executed elsewhere
        [*PROFILE, "Fully Connected (NC, F32) GEMM #3"],
        [PROFILE[1], PROFILE[3], PROFILE[2], *PROFILE[4:]],  # a depthwise convolution is no matrix product
        ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D #2", "TRANSPOSE_CONV", "FULLY_CONNECTED"],
    ],
)
def test_a_profile_that_does_not_fit_the_file_has_no_modules(profile: list[str]) -> None:
    assert modules_in_order(origins_of(LAYERS), profile) == {}
