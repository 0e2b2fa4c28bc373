"""An ONNX classifier in inference form as a PyTorch module: the same parameters under the same names, trainable."""

from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn


class OnnxNet(nn.Module):
    """Follows the nodes of the file. Batch norm obeys `train()` and `eval()` as `torch.nn.BatchNorm2d` does."""

    def __init__(self, file: Path, dtype: torch.dtype = torch.float32, momentum: float = 0.1) -> None:
        super().__init__()
        graph = onnx.load(file).graph
        self.nodes, self.input, self.output = list(graph.node), graph.input[0].name, graph.output[0].name
        self.momentum = momentum
        statistics = {name for node in graph.node if node.op_type == "BatchNormalization" for name in node.input[3:5]}
        self.constants: dict[str, np.ndarray] = {}
        self.names: dict[str, str] = {}  # Those in the file by those here, where a dot may not be.
        for initializer in graph.initializer:
            array = numpy_helper.to_array(initializer)
            tensor = torch.from_numpy(array.copy()).to(dtype) if array.dtype == np.float32 else None
            if tensor is None or tensor.ndim == 0:
                self.constants[initializer.name] = array
                continue
            name = initializer.name.replace(".", "/")
            self.names[name] = initializer.name
            if initializer.name in statistics:
                self.register_buffer(name, tensor)
            else:
                self.register_parameter(name, nn.Parameter(tensor))

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Parameters and statistics by their names in the file, on whatever device they are."""
        return {self.names[name]: tensor for name, tensor in (*self.named_parameters(), *self.named_buffers())}

    def forward(self, x: Tensor) -> Tensor:
        values, tensors = {self.input: x}, self.tensors
        for node in self.nodes:
            inputs = [values[name] if name in values else tensors.get(name) for name in node.input if name]
            values[node.output[0]] = self._value(node, inputs)
        return values[self.output]

    def _value(self, node: onnx.NodeProto, inputs: list[Tensor]) -> Tensor:
        attrs = {attr.name: onnx.helper.get_attribute_value(attr) for attr in node.attribute}
        x = inputs[0]
        match node.op_type:
            case "Conv":
                pads = attrs.get("pads", [0] * 2 * (x.ndim - 2))
                begin, end = pads[: x.ndim - 2], pads[x.ndim - 2 :]
                if begin != end:
                    x = F.pad(x, [side for pair in zip(reversed(begin), reversed(end)) for side in pair])
                    begin = [0] * len(begin)
                bias = inputs[2] if len(inputs) > 2 else None
                return F.conv2d(
                    x, inputs[1], bias, attrs.get("strides", 1), begin, attrs.get("dilations", 1), attrs.get("group", 1)
                )
            case "BatchNormalization":
                scale, bias, mean, var = inputs[1:]
                return F.batch_norm(x, mean, var, scale, bias, self.training, self.momentum, attrs.get("epsilon", 1e-5))
            case "Relu":
                return F.relu(x)
            case "Clip":
                low, high = (float(self.constants[name]) for name in node.input[1:])
                return F.relu6(x) if (low, high) == (0, 6) else x.clamp(low, high)
            case "Add":
                return x + inputs[1]
            case "GlobalAveragePool":
                return x.mean((2, 3), keepdim=True)
            case "AveragePool":
                return F.avg_pool2d(x, attrs["kernel_shape"], attrs.get("strides"))
            case "MaxPool":
                return F.max_pool2d(x, attrs["kernel_shape"], attrs.get("strides"))
            case "Flatten":
                return x.flatten(1)
            case "Gemm" if attrs.get("transB", 0):
                return F.linear(x, inputs[1], inputs[2])
            case "Gemm":
                return x @ inputs[1] + inputs[2]
        raise ValueError(f"operator {node.op_type} of node {node.name} is not one of a zoo network")
