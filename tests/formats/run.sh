#!/usr/bin/env bash
# Holds what gates write against the schemas of others: SARIF against OASIS's, JUnit XML against that of Jenkins' xunit plugin.
# SCHEMAS names a folder that has both already; otherwise they are fetched, at a commit, into target/formats. PYTHON names an
# interpreter that has requirements.txt already.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ -z "${SCHEMAS:-}" ]; then
  SCHEMAS=target/formats/schemas
  mkdir -p "$SCHEMAS"
  from=https://raw.githubusercontent.com
  curl -sSfL -o "$SCHEMAS/sarif-schema-2.1.0.json" \
    "$from/oasis-tcs/sarif-spec/e0583813964ec43cea53b6b531b402866095ed1f/sarif-2.1/schema/sarif-schema-2.1.0.json"
  curl -sSfL -o "$SCHEMAS/junit-10.xsd" \
    "$from/jenkinsci/xunit-plugin/8c515de2804b3fd591a3b0f1ff8908a1b1a41887/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd"
fi
sha256sum --check --quiet - <<SUMS
c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e  $SCHEMAS/sarif-schema-2.1.0.json
a1a816f58d1bf95ebabf371994df0b9246dee66ea9572fbec4f9296f1b2c0ff6  $SCHEMAS/junit-10.xsd
SUMS
if [ -z "${PYTHON:-}" ]; then
  environment=target/formats/python
  [ -x "$environment/bin/python" ] || python3 -m venv "$environment"
  "$environment/bin/python" -m pip install --quiet -r tests/formats/requirements.txt
  PYTHON="$environment/bin/python"
fi
TINYASSAY="${TINYASSAY:-target/release/tinyassay}"
[ -x "$TINYASSAY" ] || cargo build --release --quiet
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

"$TINYASSAY" run suites/ci-gate.yaml --samples 50 --out "$out/report" > /dev/null || true
# A gate of each kind and of each end, and names that mean something in XML and in URIs.
cat > "$out/a <b> & \"c\" %.yaml" <<'GATES'
version: 1
gates:
  - { metric: clean_accuracy, at_least: 0 }
  - { metric: robust_accuracy, attack: pgd-20, at_least: 0.7 }
  - { metric: worst_case, max_drop: 0.02, baseline: { model: signs32-cnn-pgd } }
  - { metric: macs, at_most: 1 }
  - { metric: flags, flags: none }
GATES
for gates in suites/ci-gate.yaml "$out/a <b> & \"c\" %.yaml"; do
  "$TINYASSAY" gate "$out/report" --gates "$gates" --junit "$out/gates.xml" --sarif "$out/gates.sarif" > "$out/told" || true
  grep -E '^(PASS|FAIL|INCONCLUSIVE): ' "$out/told"
  "$PYTHON" tests/formats/check.py "$SCHEMAS" "$out/gates.xml" "$out/gates.sarif"
done
