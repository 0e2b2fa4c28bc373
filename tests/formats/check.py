"""Validates a JUnit file and a SARIF file against schemas in a folder. Ends with an error at the first that is not valid."""

import json
import sys
from pathlib import Path

import jsonschema
from lxml import etree

schemas, junit, sarif = map(Path, sys.argv[1:])

schema = etree.XMLSchema(etree.parse(str(schemas / "junit-10.xsd")))
document = etree.parse(str(junit))
schema.assertValid(document)
cases = len(document.findall(".//testcase"))
print(f"{junit.name}: valid, {cases} test cases")

schema = json.loads((schemas / "sarif-schema-2.1.0.json").read_text())
log = json.loads(sarif.read_text())
validator = jsonschema.validators.validator_for(schema)
validator(schema, format_checker=validator.FORMAT_CHECKER).validate(log)
# The tests must be able to fail: without a message a result is not valid.
if log["runs"][0]["results"]:
    del log["runs"][0]["results"][0]["message"]
    assert list(validator(schema).iter_errors(log)), "the schema lets everything pass"
print(f"{sarif.name}: valid, {len(log['runs'][0]['results'])} results")
