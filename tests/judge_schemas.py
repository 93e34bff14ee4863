"""Judges the committed JSON Schemas with a validator that is not ours.

check-jsonschema must accept every schema of schemas/ as a schema, and every document of fleet/ and policies/ by the schema
of its kind. It must also refuse each of those documents with one key too many: a schema that accepts all proves nothing.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor

ROOT = Path(__file__).resolve().parent.parent
CHECKER = Path(sys.executable).with_name("check-jsonschema")


class Constructor(SafeConstructor):
    """JSON has no instants: they stay the text that was written, as they do for Backstay."""


Constructor.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)


def documents():
    """Every document as (its place, the document)."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = Constructor
    for folder in ("fleet", "policies"):
        for path in sorted((ROOT / folder).rglob("*")):
            is_hidden = any(part.startswith(".") for part in path.relative_to(ROOT).parts)
            if path.suffix in (".yaml", ".yml", ".json") and not is_hidden:
                for number, document in enumerate(yaml.load_all(path.read_text(encoding="utf-8")), start=1):
                    if document is not None:
                        yield f"{path.relative_to(ROOT)} #{number}", document


def kinds_of(path):
    """The kinds that a schema is for, as the schema itself says."""
    kind = json.loads(path.read_text(encoding="utf-8")).get("properties", {}).get("kind", {})
    return [kind["const"]] if "const" in kind else kind.get("enum", [])


def is_of_documents(path):
    """Others are of what commands say: tests/judge_drift.py judges those."""
    return "apiVersion" in json.loads(path.read_text(encoding="utf-8")).get("properties", {})


def judge(*arguments):
    """What check-jsonschema reports. Without a report there is nothing to go on with."""
    done = subprocess.run([CHECKER, "-o", "json", *map(str, arguments)], capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        sys.exit(done.stdout + done.stderr)


def complaints(report):
    """A report's errors, one a line."""
    errors = report.get("errors", []) + report.get("parse_errors", [])
    return [f"{error['filename']}: {error.get('path', '')}: {error.get('message', error)}" for error in errors]


def write(folder, found, change):
    """One JSON file a document, named by its place, so that a complaint tells it."""
    folder.mkdir(parents=True)
    files = [folder / f"{place.replace('/', '~')}.json" for place, _ in found]
    for file, (_, document) in zip(files, found, strict=True):
        file.write_text(json.dumps(change(document)), encoding="utf-8")
    return files


def with_unknown_key(document):
    spec = document.get("spec")
    return {**document, "spec": {**(spec if isinstance(spec, dict) else {}), "unheardOf": 1}}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="a directory to be emptied and filled")
    work = parser.parse_args().work
    shutil.rmtree(work, ignore_errors=True)
    wrong = []

    schemas = sorted((ROOT / "schemas").glob("*.json"))
    if not schemas:
        wrong.append("schemas/ holds no schema")
    else:
        wrong += complaints(judge("--check-metaschema", *schemas))
    if wrong:
        # What is no schema judges nothing.
        sys.exit("\n".join(wrong))

    found = list(documents())
    if not found:
        wrong.append("fleet/ and policies/ hold no document")
    judged = defaultdict(int)
    for schema in schemas:
        if not is_of_documents(schema):
            continue
        kinds = kinds_of(schema)
        if not kinds:
            wrong.append(f"{schema.name}: properties.kind names no kind")
        mine = [(place, document) for place, document in found if isinstance(document, dict) and document.get("kind") in kinds]
        if not mine:
            continue
        for place, _ in mine:
            judged[place] += 1
        wrong += complaints(judge("--schemafile", schema, *write(work / schema.stem / "good", mine, lambda document: document)))
        bad = write(work / schema.stem / "bad", mine, with_unknown_key)
        refused = {error["filename"] for error in judge("--schemafile", schema, *bad)["errors"]}
        wrong += [f"{schema.name} accepts an unknown key: {file}" for file in bad if str(file) not in refused]
    wrong += [f"{place}: no schema for its kind" for place, _ in found if place not in judged]

    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    print(f"{len(schemas)} schemas accepted; {len(found)} documents accepted {sum(judged.values())} times, and refused with an unknown key")
    return 0


if __name__ == "__main__":
    sys.exit(main())
