#!/usr/bin/env bash
# Sets up its own Python, builds the release binary, and checks the files that ONNX Runtime's quantizer writes.
# PYTHON names an interpreter that has requirements.txt already, to skip the first step.
set -euo pipefail
cd "$(dirname "$0")/../.."

: "${TINYASSAY_DATA:?set TINYASSAY_DATA to the folder that holds cifar-10-batches-bin/}"
if [ -z "${PYTHON:-}" ]; then
  environment=target/quantizer/python
  [ -x "$environment/bin/python" ] || python3 -m venv "$environment"
  "$environment/bin/python" -m pip install --quiet -r tests/quantizer/requirements.txt
  PYTHON="$environment/bin/python"
fi
cargo build --release --quiet
exec "$PYTHON" tests/quantizer/run.py "$@"
