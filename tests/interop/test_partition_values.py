"""Partition values of every kind of character: all readers see them, and what cannot be a folder is a dead letter."""

import json
import random
import unicodedata

import delta_log
import foreset
import pytest
import readers
from deltalake import DeltaTable

SQL = """CREATE OR REFRESH STREAMING TABLE t PARTITIONED BY (k){properties} AS SELECT {select}
FROM STREAM read_files('in', format => 'json', schema => 'k STRING, v INT') {group};
CREATE OR REFRESH STREAMING TABLE behind AS SELECT k, v FROM STREAM t;
"""
COUNTED = {"select": "k, CAST(max(v) AS INT) AS v", "group": "GROUP BY k"}


def run(directory, values, code=0, *, properties="", select="k, v", group="", head="", behind=True):
    (directory / "in").mkdir(exist_ok=True)
    name = f"{len(list((directory / 'in').iterdir()))}.json"
    (directory / "in" / name).write_text("".join(json.dumps({"k": k, "v": v}) + "\n" for k, v in values))
    sql = head + SQL.format(properties=properties, select=select, group=group)
    (directory / "p.sql").write_text(sql if behind else sql[:sql.index("CREATE", sql.index(";"))])
    return foreset.run("run", directory / "p.sql", "--available-now", "--warehouse", directory / "w",
                       timeout=120).check(code)


def rows(table):
    return [(row["k"], row["v"]) for row in DeltaTable(str(table)).to_pyarrow_table().to_pylist()]


def characters():
    """Of each Unicode category some from the whole BMP and beyond, and all that names of files or URIs treat apart."""
    pick, classes = random.Random(7), {}
    for code in range(1, 0x20000):
        classes.setdefault(unicodedata.category(chr(code)), []).append(chr(code))
    classes.pop("Cs")
    chosen = [c for found in classes.values() for c in pick.sample(found, min(3, len(found)))]
    spaces = [c for kind in ("Zs", "Zl", "Zp") for c in classes[kind]]
    return chosen + spaces + list("%\"'/\\:?*#=[]{}^<>|`&+;,!~$@()") + ["\ufffe", "\uffff", "\x7f", "\x80", "\x9f", "😀"]


def values():
    pick, found = random.Random(11), set()
    alphabet = characters()
    for character in alphabet:
        found.add(pick.choice(["{}", "a{}b", "{} {}", "%{}"]).replace("{}", character))
    found |= {"".join(pick.choices(alphabet, k=pick.randint(2, 12))) for _ in range(60)}
    found |= {" ", "  x", "x ", "%20", "%2F", "%", "%%", ".", "..", "e\u0301", "\u00e9", "👩‍👩‍👧", "null", "NULL"}
    found.add("a=b/k=c")
    return sorted(value for value in found if len(value.encode()) < 60)


def test_every_reader_sees_every_partition_value(tmp_path):
    expected = [(value, number) for number, value in enumerate(values())]
    run(tmp_path, expected)
    assert not delta_log.exists(tmp_path / "w" / "t__dead_letters")
    for name in ("deltalake", "polars", "duckdb", "spark"):
        found = readers.READERS[name](tmp_path / "w" / "t").to_pylist()
        assert sorted((row["k"], row["v"]) for row in found) == sorted(expected), name


def test_paths_of_the_log_are_ascii(tmp_path):
    run(tmp_path, [("\u00a0\u2003\u3000é", 1)])
    [path] = [action["add"]["path"] for _, actions in delta_log.commits(tmp_path / "w" / "t") for action in actions
              if "add" in action]
    assert path.isascii() and path.startswith("k=%C2%A0%E2%80%83%E3%80%80%C3%A9/")


BAD = [("a\0b", "holds the character NUL"), ("\0", "holds the character NUL"), ("x" * 254, "254 bytes"),
       ("ä" * 127, "254 bytes"), ("/" * 85, "255 bytes"), ("y" * 100000, "100000 bytes")]
GOOD = [("x" * 253, 1), ("ä" * 126, 2), ("/" * 84, 3), ("", 4), ("good", 5)]


@pytest.mark.parametrize("mode", ["append", "complete", "update"])
def test_a_value_that_cannot_be_a_folder_goes_to_the_dead_letters(tmp_path, mode):
    how = {} if mode == "append" else {**COUNTED, "properties": f" TBLPROPERTIES ('output.mode' = '{mode}')",
                                       "behind": False}
    run(tmp_path, GOOD + [(value, 100 + number) for number, (value, _) in enumerate(BAD)], **how)
    assert set(rows(tmp_path / "w" / "t")) == {(k or None, v) for k, v in GOOD}
    letters = DeltaTable(str(tmp_path / "w" / "t__dead_letters")).to_pyarrow_table().to_pylist()
    found = {json.loads(letter["row"])["k"]: letter for letter in letters}
    assert set(found) == {value for value, _ in BAD} and len(letters) == len(BAD)
    for value, words in BAD:
        letter = found[value]
        assert letter["class"] == "INVALID_PARTITION_VALUE" and words in letter["message"]
        assert letter["message"].startswith("table t: partition value of column k ")
        assert letter["message"].endswith("; the row went to t__dead_letters")
    if mode == "append":
        assert len(rows(tmp_path / "w" / "behind")) == len(GOOD)
    run(tmp_path, [("later", 9)], **how)  # nothing stopped
    assert ("later", 9) in rows(tmp_path / "w" / "t")


def test_on_error_fail_stops_for_it(tmp_path):
    done = run(tmp_path, [("a", 1), ("\0", 2)], foreset.EXIT_FAILED, head="SET pipeline.on_error = fail;\n")
    assert 'table t: row {"k":"\\u0000","v":2}: [INVALID_PARTITION_VALUE] partition value' in done.stderr
    assert "of column k holds the character NUL" in done.stderr


def plan(directory, sql):
    (directory / "p.sql").write_text(sql)
    return foreset.run("plan", directory / "p.sql", "--warehouse", directory / "w", timeout=60)


def wide(count, by, name="c{}", kind="STRING"):
    columns = [name.format(number) for number in range(count)]
    schema = ", ".join(f"`{column}` {kind}" for column in columns)
    return (f"CREATE OR REFRESH STREAMING TABLE t PARTITIONED BY ({', '.join(f'`{c}`' for c in columns[:by])}) AS "
            f"SELECT * FROM STREAM read_files('in', format => 'json', schema => '{schema}');\n")


@pytest.mark.parametrize("sql, words", [
    (wide(62, 61), "at most 60"), (wide(2, 1, "n" * 229 + "{}"), "too long for a folder"),
    (wide(2, 1, kind="BINARY"), "cannot be partitioned by a value of type binary")])
def test_partition_columns_that_cannot_be_folders_are_refused_by_the_plan(tmp_path, sql, words):
    done = plan(tmp_path, sql).check(foreset.EXIT_USAGE)
    assert words in done.stderr


def test_values_that_fit_one_by_one_and_not_together_are_a_dead_letter(tmp_path):
    (tmp_path / "in").mkdir()
    row = {f"c{number}": "z" * 200 for number in range(22)}
    (tmp_path / "in" / "1.json").write_text(json.dumps(row) + "\n" + json.dumps({**row, "c0": "a", "c1": "b", "c2": "c",
                                                                                "c3": "d", "c4": "e"}) + "\n")
    (tmp_path / "p.sql").write_text(wide(22, 20))
    foreset.run("run", tmp_path / "p.sql", "--available-now", "--warehouse", tmp_path / "w", timeout=60).check()
    assert len(DeltaTable(str(tmp_path / "w" / "t")).to_pyarrow_table().to_pylist()) == 1
    [letter] = DeltaTable(str(tmp_path / "w" / "t__dead_letters")).to_pyarrow_table().to_pylist()
    assert "make a path of" in letter["message"]
