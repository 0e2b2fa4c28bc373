"""The forms in which ONNX Runtime's quantizer writes a file."""

import logging
from pathlib import Path

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

logging.getLogger().setLevel(logging.ERROR)


class Rows(CalibrationDataReader):
    def __init__(self, images):
        self.batches = iter([{"image": images[at : at + 64]} for at in range(0, len(images), 64)])

    def get_next(self):
        return next(self.batches, None)


U8, S8, U16, S16 = QuantType.QUInt8, QuantType.QInt8, QuantType.QUInt16, QuantType.QInt16
QDQ, QOPERATOR = QuantFormat.QDQ, QuantFormat.QOperator


def form(format, activation, weight, per_channel=False, symmetric_activations=None, symmetric_weights=None):
    given = {"ActivationSymmetric": symmetric_activations, "WeightSymmetric": symmetric_weights}
    extra = {name: value for name, value in given.items() if value is not None}
    return dict(
        quant_format=format,
        activation_type=activation,
        weight_type=weight,
        per_channel=per_channel,
        extra_options=extra,
    )


VARIANTS = {
    "qdq-u8s8": form(QDQ, U8, S8),
    "qdq-u8s8-channel": form(QDQ, U8, S8, per_channel=True),
    "qdq-s8s8": form(QDQ, S8, S8),
    "qdq-s8s8-channel": form(QDQ, S8, S8, per_channel=True),
    "qdq-s8s8-channel-symmetric": form(QDQ, S8, S8, per_channel=True, symmetric_activations=True),
    "qdq-u8u8": form(QDQ, U8, U8),
    "qdq-u8u8-channel-asymmetric": form(QDQ, U8, U8, per_channel=True, symmetric_weights=False),
    "qdq-u8s8-channel-asymmetric": form(QDQ, U8, S8, per_channel=True, symmetric_weights=False),
    "qdq-u16s8-channel": form(QDQ, U16, S8, per_channel=True),
    "qdq-s16s16": form(QDQ, S16, S16),
    "qoperator-u8s8": form(QOPERATOR, U8, S8),
    "qoperator-u8s8-channel": form(QOPERATOR, U8, S8, per_channel=True),
    "qoperator-s8s8-channel": form(QOPERATOR, S8, S8, per_channel=True),
    "qoperator-u8u8": form(QOPERATOR, U8, U8),
}
"""Static quantization: by name, the arguments of `quantize_static`."""

DYNAMIC = "dynamic"


def prepare(path):
    """The float file as the quantizer wants it: shapes inferred, batch normalisation folded."""
    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    return prepared


def quantize(path: Path, name, target: Path, calibration):
    """Writes one variant of a prepared float file."""
    if name == DYNAMIC:
        # The quantizer transposes weights of Gemm and stumbles over the shape that the exporter noted of them.
        bare = onnx.load(path)
        del bare.graph.value_info[:]
        quantize_dynamic(bare, str(target), weight_type=U8)
    else:
        quantize_static(str(path), str(target), Rows(calibration), **VARIANTS[name])
