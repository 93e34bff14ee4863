"""Judges the committed JSON Schemas with validators that are not ours: check-jsonschema, and the jsonschema library alone.

Both must accept every schema of schemas/ as a schema, and every document of fleet/ and policies/ by the schema of its kind.
They must also refuse each of those documents with one key too many: a schema that accepts all proves nothing. Of the wrong
inputs in tests/wrong they must refuse, by the schema of any document, exactly the cases that tests/wrong/refused-by-schema.txt
names: what only Backstay itself can find is not among them. `--update` writes that list anew.
The schemas of what Backstay prints are judged on real output, which tests/cli keeps in tests/outputs.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError

ROOT = Path(__file__).resolve().parent.parent
CHECKER = Path(sys.executable).with_name("check-jsonschema")


# No validator sees the end of these.
BOMBS = ("a-bomb-of-aliases",)


class Constructor(SafeConstructor):
    """JSON has no instants: they stay the text that was written, as they do for Backstay."""


Constructor.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)


def documents(root):
    """Every document below a fleet's directory as (its place, the document)."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = Constructor
    for folder in ("fleet", "policies"):
        for path in sorted((root / folder).rglob("*")):
            is_hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if path.suffix in (".yaml", ".yml", ".json") and not is_hidden:
                for number, document in enumerate(yaml.load_all(path.read_text(encoding="utf-8")), start=1):
                    if document is not None:
                        yield f"{path.relative_to(root)} #{number}", document


def wrong_documents():
    """Every document of the wrong inputs as (its case and place, the document); a case that no YAML parser reads has none."""
    for case in sorted(path for path in (ROOT / "tests" / "wrong").iterdir() if path.is_dir()):
        if case.name in BOMBS:
            continue
        try:
            found = list(documents(case))
            json.dumps(found)
        except (YAMLError, UnicodeDecodeError, ValueError, TypeError, RecursionError):
            # What JSON cannot say, such as a list as a key, is not for a schema to judge either.
            continue
        yield from ((f"{case.name}/{place}", document) for place, document in found)


def kinds_of(path):
    """The kinds that a schema is for, as the schema itself says."""
    kind = json.loads(path.read_text(encoding="utf-8")).get("properties", {}).get("kind", {})
    return [kind["const"]] if "const" in kind else kind.get("enum", [])


def is_of_documents(path):
    """Others are of what commands say: tests/judge_drift.py judges those."""
    return "apiVersion" in json.loads(path.read_text(encoding="utf-8")).get("properties", {})


# What Backstay prints: the schema of it, and where real output is kept. A name that ends in .ndjson has one value a line.
OUTPUTS = {
    "plan.schema.json": "plan.json",
    "events.schema.json": "events.ndjson",
}


def outputs(name):
    """Every kept output as (its place, the value)."""
    text = (ROOT / "tests" / "outputs" / name).read_text(encoding="utf-8")
    texts = text.splitlines() if name.endswith(".ndjson") else [text]
    return [(f"{name} #{number}", json.loads(one)) for number, one in enumerate(texts, start=1)]


def judge_outputs(schema, work):
    """What is wrong with a schema of output: it must accept what was printed, and refuse it with a key less."""
    found = outputs(OUTPUTS[schema.name])
    wrong = complaints(judge("--schemafile", schema, *write(work / schema.stem / "good", found, lambda value: value)))
    bad = write(work / schema.stem / "bad", found, lambda value: dict(list(value.items())[1:]))
    refused = {error["filename"] for error in judge("--schemafile", schema, *bad)["errors"]}
    return wrong + [f"{schema.name} misses no key: {file}" for file in bad if str(file) not in refused]


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


def refused_cases(work):
    """The cases of which some document is refused, and what the two validators do not agree on."""
    schema = ROOT / "schemas" / "backstay.schema.json"
    found = list(wrong_documents())
    files = write(work / "wrong", found, lambda document: document)
    theirs = {error["filename"] for error in judge("--schemafile", schema, *files)["errors"]}
    validator = Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))
    refused, differences = set(), []
    for file, (place, document) in zip(files, found, strict=True):
        is_refused = not validator.is_valid(document)
        if is_refused != (str(file) in theirs):
            differences.append(f"{place}: jsonschema and check-jsonschema do not agree")
        if is_refused:
            refused.add(place.split("/")[0])
    return sorted(refused), differences


def judge_wrong_inputs(work, update):
    """What is wrong with the list of the cases that a schema can refuse."""
    refused, wrong = refused_cases(work)
    listed = ROOT / "tests" / "wrong" / "refused-by-schema.txt"
    if update:
        listed.write_text("".join(f"{case}\n" for case in refused), encoding="utf-8")
    expected = listed.read_text(encoding="utf-8").splitlines()
    wrong += [f"{case}: refused by the schema, and {listed.name} does not say so" for case in sorted(set(refused) - set(expected))]
    wrong += [f"{case}: {listed.name} says that the schema refuses it, and it does not" for case in sorted(set(expected) - set(refused))]
    # What is right, or looks wrong and is read, passes every schema.
    wrong += [f"{case}: the schema refuses what is right" for case in refused if case == "base" or case.startswith("read-")]
    return len(refused), wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="a directory to be emptied and filled")
    parser.add_argument("--update", action="store_true", help="write the list of the wrong inputs that a schema refuses")
    arguments = parser.parse_args()
    work = arguments.work
    shutil.rmtree(work, ignore_errors=True)
    wrong = []

    schemas = sorted((ROOT / "schemas").glob("*.json"))
    if not schemas:
        wrong.append("schemas/ holds no schema")
    else:
        wrong += complaints(judge("--check-metaschema", *schemas))
        for schema in schemas:
            # Raises what is wrong with it.
            Draft202012Validator.check_schema(json.loads(schema.read_text(encoding="utf-8")))
    if wrong:
        # What is no schema judges nothing.
        sys.exit("\n".join(wrong))

    found = list(documents(ROOT))
    if not found:
        wrong.append("fleet/ and policies/ hold no document")
    judged = defaultdict(int)
    for schema in schemas:
        if schema.name in OUTPUTS:
            wrong += judge_outputs(schema, work)
            continue
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

    cases, wrong_of_cases = judge_wrong_inputs(work, arguments.update)
    wrong += wrong_of_cases

    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    print(f"{len(schemas)} schemas accepted; {len(found)} documents accepted {sum(judged.values())} times, and refused with an unknown key; {cases} wrong inputs refused")
    return 0


if __name__ == "__main__":
    sys.exit(main())
