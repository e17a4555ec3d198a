"""Reads what monitoring and CI would: metrics with Prometheus' own parser, JUnit XML with the standard
library. Prints what it found."""

import json
import sys
import xml.etree.ElementTree as ET

from prometheus_client.parser import text_string_to_metric_families

metrics, junit = sys.argv[1:]
with open(metrics, encoding="utf-8") as file:
    families = list(text_string_to_metric_families(file.read()))
samples = {}
for family in families:
    if family.type != "gauge" or not family.documentation:
        sys.exit(f"{family.name} is {family.type}, documented as {family.documentation!r}")
    for sample in family.samples:
        of = {k: v for k, v in sample.labels.items() if k not in ("plan", "environment", "mode")}
        samples[" ".join([sample.name, *of.values()])] = sample.value
root = ET.parse(junit).getroot()
suites = {}
for suite in root.iter("testsuite"):
    cases = suite.findall("testcase")
    for name in ("tests", "failures"):
        found = len(cases) if name == "tests" else len(suite.findall("testcase/failure"))
        if int(suite.get(name)) != found:
            sys.exit(f"{suite.get('name')} says {suite.get(name)} {name} and has {found}")
    suites[suite.get("name")] = {
        "tests": len(cases),
        "failed": [c.get("name") for c in cases if c.find("failure") is not None],
        "skipped": [c.get("name") for c in cases if c.find("skipped") is not None],
    }
print(json.dumps({"samples": samples, "suites": suites}))
