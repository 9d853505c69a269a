"""Where the fields of a .pte lie, and what its numbers mean.

Positions of fields are those of ExecuTorch's published schemas (program.fbs, XNNPACK's runtime_schema.fbs);
tests/unit/test_upstream_executorch.py compares them with the installed files.
"""

from __future__ import annotations

# field positions, a union counting twice (its type, its value)
FIELDS = {
    "Program": {"execution_plan": 1, "segments": 4, "constant_segment": 5, "named_data": 7, "backend_delegate_data": 3},
    "ExecutionPlan": {
        "values": 2,
        "inputs": 3,
        "outputs": 4,
        "chains": 5,
        "operators": 6,
        "delegates": 7,
        "non_const_buffer_sizes": 8,
    },
    "EValue": {"val": 1},
    "Int": {"int_val": 0},
    "Double": {"double_val": 0},
    "Tensor": {"scalar_type": 0, "sizes": 2, "data_buffer_idx": 5, "allocation_info": 6, "shape_dynamism": 8},
    "Chain": {"instructions": 2},
    "Instruction": {"instr_args": 1},
    "KernelCall": {"op_index": 0, "args": 1},
    "DelegateCall": {"delegate_index": 0},
    "Operator": {"name": 0, "overload": 1},
    "BackendDelegate": {"id": 0, "processed": 1},
    "BackendDelegateDataReference": {"location": 0, "index": 1},
    "BackendDelegateInlineData": {"data": 0},
    "DataSegment": {"offset": 0, "size": 1},
    "SubsegmentOffsets": {"segment_index": 0, "offsets": 1},
    "NamedData": {"key": 0, "segment_index": 1},
}
XNN_FIELDS = {
    "XNNGraph": {"xnodes": 1, "xvalues": 2, "constant_data": 8},
    "XNode": {"xnode_union": 1},
    "XValue": {"xvalue_union": 1},
    "XNNTensorValue": {"datatype": 0, "dims": 2, "constant_buffer_idx": 3, "id_out": 6},
    "XNNQuantizedTensorValue": {"tensor_value": 0, "quant_params": 2},
    "PerChannelQuant": {"scale": 0, "scale_buffer_idx": 2, "num_scales": 3},
    "PerTensorQuant": {"scale": 0, "zero_point": 1},
    "XNNFullyConnected": {"input1_id": 0, "filter_id": 1, "bias_id": 2},
    "_XNNNodeConv": {"input1_id": 15, "filter_id": 16, "bias_id": 17},
    "ConstantDataOffset": {"offset": 0, "size": 1, "named_key": 2},
}
SCALAR_TYPES = {
    0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "float16", 6: "float32", 7: "float64",
    11: "bool", 15: "bfloat16", 27: "uint16", 28: "uint32", 29: "uint64",
}  # fmt: skip
XNN_DATATYPES = (
    "invalid", "float32", "float16", "int8", "uint8", "int32", "int8", "int32", "int4", "int8", "int4", "int8",
    "int32", "float32", "bfloat16",
)  # fmt: skip
# XNodeUnion in order, each with the position of its first input's id
XNN_NODES: tuple[tuple[str, int], ...] = (
    ("Add", 0), ("FullyConnected", 0), ("Softmax", 0), ("Sigmoid", 0), ("StaticTranspose", 2), ("Clamp", 0),
    ("Conv2d", 15), ("Div", 0), ("StaticResizeBilinear2D", 2), ("StaticConstantPad", 3), ("AvgPooling2d", 10),
    ("Minimum", 0), ("DepthwiseConv2d", 15), ("MaxPooling2d", 10), ("Multiply", 0), ("Subtract", 0), ("Floor", 0),
    ("Convert", 0), ("GlobalAvgPooling2d", 0), ("StaticReshape", 2), ("ArgMaxPooling2d", 6), ("SquareRoot", 0),
    ("Ceiling", 0), ("Hardswish", 0), ("LeakyReLU", 1), ("Maximum", 0), ("Negate", 0), ("Square", 0), ("ELU", 1),
    ("Abs", 0), ("PReLU", 0), ("Concatenate2", 1), ("Concatenate3", 1), ("Concatenate4", 1), ("StaticSlice", 3),
    ("ScaledDotProductAttention", 0), ("BatchMatrixMultiply", 0), ("Concatenate5", 1), ("ConvTranspose2d", 15),
    ("ReciprocalSquareRoot", 0), ("Log", 0), ("Gelu", 0), ("Tanh", 0), ("Exp", 0), ("Sin", 0), ("Copy", 0), ("Cos", 0),
)  # fmt: skip
