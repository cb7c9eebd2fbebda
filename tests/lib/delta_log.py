"""A Delta log read by the letter of the protocol, without a Delta library: the harness's own eyes.

JSON commits only: it needs every commit from version 0, which holds for tables that a test made (nothing cleans logs
within an hour). A log with a gap, or an action that cannot be read, raises.
"""

import json
import pathlib
import re
from urllib.parse import unquote

COMMIT = re.compile(r"^(\d{20})\.json$")


def exists(table):
    return (pathlib.Path(table) / "_delta_log" / f"{0:020}.json").exists()


def commits(table):
    """[(version, [action, …])] in order."""
    log = pathlib.Path(table) / "_delta_log"
    found = sorted((int(m.group(1)), path) for path in log.iterdir() if (m := COMMIT.match(path.name)))
    versions = [version for version, _ in found]
    if versions != list(range(len(versions))):
        raise ValueError(f"{log}: versions {versions} are not 0, 1, 2 …")
    return [(version, [json.loads(line) for line in path.read_text().split("\n") if line]) for version, path in found]


def versions(table):
    """Numbers of the commits that are there, ascending."""
    return sorted(int(m.group(1)) for path in (pathlib.Path(table) / "_delta_log").iterdir()
                  if (m := COMMIT.match(path.name)))


def commit(table, version):
    """The actions of one version; None if it is not there."""
    path = pathlib.Path(table) / "_delta_log" / f"{version:020}.json"
    if not path.exists():
        return None
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def plain_path(action):
    """Where an add or remove points, within the table."""
    return unquote(action["path"])


def latest_version(table):
    return len(commits(table)) - 1


def active_files(table, version=None):
    """{path: add action} of a version (default the latest)."""
    active = {}
    for number, actions in commits(table):
        if version is not None and number > version:
            break
        for action in actions:
            if "remove" in action:
                active.pop(unquote(action["remove"]["path"]), None)
        for action in actions:
            if "add" in action:
                path = unquote(action["add"]["path"])
                if path in active and action["add"]["dataChange"]:  # else its statistics are renewed
                    raise ValueError(f"{table}: version {number} adds {path} a second time")
                active[path] = action["add"]
    return active


def metadata(table):
    return [a["metaData"] for _, actions in commits(table) for a in actions if "metaData" in a][-1]


def txn_versions(table):
    """[(version, appId, txn version)] in commit order."""
    return [(version, a["txn"]["appId"], a["txn"]["version"])
            for version, actions in commits(table) for a in actions if "txn" in a]


def commit_infos(table):
    return [(version, a["commitInfo"]) for version, actions in commits(table) for a in actions if "commitInfo" in a]


def visible_and_present(table):
    """(files that the latest version names, data files that lie in the folder)."""
    root = pathlib.Path(table)
    named = set(active_files(table))  # first: what a commit names that comes meanwhile would not be in the list
    return named, {str(p.relative_to(root)) for p in root.rglob("*.parquet") if "_delta_log" not in p.parts}


def simple_type(kind):
    """Spark's simple type string of a type in a schemaString."""
    if isinstance(kind, str):
        return {"integer": "int", "long": "bigint", "short": "smallint", "byte": "tinyint"}.get(kind, kind)
    if kind["type"] == "struct":
        return "struct<" + ",".join(f"{f['name']}:{simple_type(f['type'])}" for f in kind["fields"]) + ">"
    if kind["type"] == "array":
        return f"array<{simple_type(kind['elementType'])}>"
    return f"map<{simple_type(kind['keyType'])},{simple_type(kind['valueType'])}>"


def columns_of(action):
    """{name: simple type} of a metaData action."""
    return {field["name"]: simple_type(field["type"]) for field in json.loads(action["schemaString"])["fields"]}


def columns(table):
    """{name: simple type} of the latest schema."""
    return columns_of(metadata(table))
