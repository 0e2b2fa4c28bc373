"""Holds signatures against OpenSSF's model_signing and in-toto's libraries, and exports against the schema of CycloneDX and the reader of the Hub."""

import base64
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf import json_format
from huggingface_hub.repocard_data import model_index_to_eval_results
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementPb
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / "target/release/tinyassay"
MODEL = "signs32-cnn-pgd"
PACKAGES = ("model-signing", "securesystemslib", "in-toto-attestation", "cyclonedx-python-lib", "huggingface_hub")


class Scratch:
    """A folder with one model and two keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / "models" / MODEL
        self.signature = self.model / "model.sig"
        shutil.copytree(ROOT / "models" / MODEL, self.model)
        for key in ("k", "other"):
            assert self.ours("key", "new", key), "no key"

    def run(self, *command: object) -> bool:
        ran = subprocess.run([str(part) for part in command], cwd=self.folder, capture_output=True, text=True)
        assert ran.returncode in (0, 1), (command, ran.returncode, ran.stdout, ran.stderr)
        return ran.returncode == 0

    def ours(self, *arguments: str) -> bool:
        return self.run(BINARY, *arguments)

    def theirs(self, *arguments: object) -> bool:
        return self.run(sys.executable, "-m", "model_signing", *arguments)

    def verify(self, key: str = "k") -> dict[str, bool]:
        theirs = self.theirs("verify", "key", self.model, "--signature", self.signature, "--public_key", f"{key}.pub")
        return {"model_signing": theirs, "tinyassay": self.ours("model", "verify", MODEL, "--key", f"{key}.pub")}

    def sign(self, who: str) -> None:
        self.signature.unlink(missing_ok=True)
        if who == "tinyassay":
            assert self.ours("model", "sign", MODEL, "--key", "k")
        else:
            assert self.theirs("sign", "key", self.model, "--signature", self.signature, "--private_key", "k")

    def payload(self) -> dict:
        return json.loads(base64.b64decode(json.loads(self.signature.read_text())["dsseEnvelope"]["payload"]))


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))


def flip_signature(scratch: Scratch) -> None:
    bundle = json.loads(scratch.signature.read_text())
    entry = bundle["dsseEnvelope"]["signatures"][0]
    signature = bytearray(base64.b64decode(entry["sig"]))
    signature[-1] ^= 1
    entry["sig"] = base64.b64encode(bytes(signature)).decode()
    scratch.signature.write_text(json.dumps(bundle))


def flip_payload(scratch: Scratch) -> None:
    bundle = json.loads(scratch.signature.read_text())
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    digest = scratch.payload()["predicate"]["resources"][0]["digest"].encode()
    other = digest[:-1] + (b"0" if digest[-1:] != b"0" else b"1")
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload.replace(digest, other)).decode()
    scratch.signature.write_text(json.dumps(bundle))


CHANGES = {
    "a bit of the network": lambda scratch: flip(scratch.model / "model.onnx", 4711),
    "a fact in the manifest": lambda scratch: flip(scratch.model / "manifest.yaml", -2),
    "a file more": lambda scratch: (scratch.model / "extra.bin").write_bytes(b"extra"),
    "a file less": lambda scratch: (scratch.model / "recipe.yaml").unlink(),
    "a bit of the signature": flip_signature,
    "a digest in what was signed": flip_payload,
}


def signatures(folder: Path, failures: list[str]) -> dict:
    found: dict = {}
    for who in ("tinyassay", "model_signing"):
        scratch = Scratch(folder / who)
        scratch.sign(who)
        found[who] = {"signed": scratch.verify(), "another key": scratch.verify("other"), "payload": scratch.payload()}
        backup = folder / f"{who}-backup"
        shutil.copytree(scratch.model, backup)
        for change, make in CHANGES.items():
            make(scratch)
            try:
                found[who][change] = scratch.verify()
            except AssertionError as error:
                # A manifest that is no YAML any more is refused as such.
                found[who][change] = {"refused": str(error.args[0][1])}
            shutil.rmtree(scratch.model)
            shutil.copytree(backup, scratch.model)
        for case, verdicts in found[who].items():
            if case == "payload":
                continue
            expected = case == "signed"
            wrong = [program for program, holds in verdicts.items() if program != "refused" and holds != expected]
            failures.extend(f"signed by {who}, {case}: {program} says {verdicts[program]}" for program in wrong)
    ours, theirs = (found[who].pop("payload") for who in ("tinyassay", "model_signing"))
    if ours["subject"] != theirs["subject"]:
        failures.append(f"the model is {ours['subject']} here and {theirs['subject']} there")
    if ours["predicate"]["resources"] != theirs["predicate"]["resources"]:
        failures.append("the files differ")
    found["files"] = [resource["name"] for resource in ours["predicate"]["resources"]]
    return found


VERDICT = {
    "schema_version": 1,
    "suite": "mobilenet-tiny-signs32",
    "decision": "fail",
    "gates": [
        {"gate": gate, "metric": "clean_accuracy", "model": "m", "decision": decision, "message": "", "file": "s", "line": 1}
        for gate, decision in (("a", "pass"), ("b", "inconclusive"), ("c", "fail"))
    ],
}


def envelopes(folder: Path, failures: list[str]) -> dict:
    """Statements about a committed report that was given a verdict, read by in-toto's own libraries."""
    report = folder / "report"
    shutil.copytree(ROOT / "reports/mobilenet-tiny-signs32", report)
    (report / "verdict.json").write_text(json.dumps(VERDICT))
    files = sorted(path for path in report.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(report).as_posix()}\n" for path in files]
    (report / "SHA256SUMS").write_text("".join(sums))
    for command in (["key", "new", folder / "k"], ["attest", report, "--key", folder / "k"]):
        subprocess.run([BINARY, *command], check=True, capture_output=True)
    found = {}
    for path in sorted((report / "attestation").iterdir()):
        document = json.loads(path.read_text())
        keyid = document["signatures"][0]["keyid"]
        key = SSlibKey.from_crypto(load_pem_public_key((folder / "k.pub").read_bytes()), keyid=keyid)
        if keyid != key.keyid:
            failures.append(f"{path.name}: the key is {keyid} here and {key.keyid} there")
        envelope = Envelope.from_dict(document)
        envelope.verify([key], 1)
        statement = Statement.copy_from_pb(json_format.Parse(envelope.payload, StatementPb()))
        statement.validate()
        if statement.pb.predicate_type.endswith("/test-result/v0.1"):
            predicate = json_format.Parse(json.dumps(json.loads(envelope.payload)["predicate"]), TestResult())
            for resource in predicate.configuration:
                ResourceDescriptor.copy_from_pb(resource).validate()
            lists = (predicate.passed_tests, predicate.warned_tests, predicate.failed_tests)
            if predicate.result != "FAILED" or [len(tests) for tests in lists] != [1, 1, 1]:
                failures.append(f"{path.name}: {predicate}")
        envelope.payload = envelope.payload.replace(b"results.json", b"results.jsom")
        try:
            envelope.verify([key], 1)
            failures.append(f"{path.name}: verified after a change")
        except VerificationError:
            pass
        found[path.name] = {"predicate": statement.pb.predicate_type, "subjects": len(statement.pb.subject)}
    return found


def exports(failures: list[str]) -> dict:
    found = {}
    for report in sorted(path.parent for path in (ROOT / "reports").glob("*/results.json")):
        def export(form: str) -> str:
            command = [str(BINARY), "export", str(report), "--format", form]
            return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

        problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(export("cyclonedx"))
        if problem is not None:
            failures.append(f"{report.name}: CycloneDX: {problem}")
        models = json.loads((report / "results.json").read_text())["models"]
        index = yaml.safe_load(export("huggingface"))["model-index"]
        read = {}
        for entry in index:
            name, results = model_index_to_eval_results([entry])
            read[name] = len(results)
        wanted = {model["name"] for model in models}
        if set(read) != wanted:
            failures.append(f"{report.name}: the Hub reads {sorted(read)}")
        for model in models:
            least = 1 + len(model["attacks"]) + (model["worst_case"] is not None)
            if read.get(model["name"], 0) < least:
                failures.append(f"{report.name}: {model['name']} has {read.get(model['name'])} measures, not {least}")
        entries = yaml.safe_load(export("huggingface-eval"))
        keys = [{"dataset", "value", "notes"} == set(entry) and isinstance(entry["value"], float) for entry in entries]
        if not all(keys) or len(entries) != sum(read.values()):
            failures.append(f"{report.name}: .eval_results has {len(entries)} entries, {keys.count(False)} of a wrong form")
        found[report.name] = {"models": len(read), "measures": sum(read.values())}
    return found


def main() -> int:
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        numbers = {
            "envelopes": envelopes(Path(folder), failures),
            "exports": exports(failures),
            "signatures": signatures(Path(folder), failures),
        }
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    document = {
        "claim": "OpenSSF's model_signing verifies models that Tinyassay signed and the other way round, both refuse after every change; in-toto's libraries verify and read signed statements; CycloneDX exports are valid by the schema, and the Hub reads the model-index",
        "commit": commit.stdout.strip(),
        "failures": failures,
        "holds": not failures,
        "id": "model-signing",
        "machine": {"cores": os.cpu_count(), "system": f"{platform.system().lower()} {platform.machine()}"},
        "numbers": numbers,
        "versions": {package: version(package) for package in PACKAGES},
    }
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    (ROOT / "reports/acceptance/model-signing.json").write_text(text)
    print(text)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
