#!/usr/bin/env bash
# Sets up its own Python, builds the release binary, and holds signatures and exports against the programs of others.
# PYTHON names an interpreter that has requirements.txt already, to skip the first step.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ -z "${PYTHON:-}" ]; then
  environment=target/model-signing/python
  [ -x "$environment/bin/python" ] || python3 -m venv "$environment"
  "$environment/bin/python" -m pip install --quiet -r tests/model-signing/requirements.txt
  PYTHON="$environment/bin/python"
fi
cargo build --release --quiet --package tinyassay
exec "$PYTHON" tests/model-signing/check.py "$@"
