"""read_files reads compressed files by the end of their names, as Spark does; what is not lines of JSON is refused."""

import bz2
import gzip
import io
import json
import re
import zipfile
import zlib

import foreset
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

SQL = """CREATE OR REFRESH STREAMING TABLE t AS
SELECT id, n FROM STREAM read_files('in', format => 'json', schema => 'id STRING, n BIGINT');
"""


def lines(first, count):
    return "".join(json.dumps({"id": f"row-{i}-{i * 2654435761 % 4294967296:x}", "n": i}) + "\n"
                   for i in range(first, first + count)).encode()


def zstd_frame(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


CODECS = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstd_frame, "deflate": zlib.compress}


def run(directory, files, *args):
    (directory / "in").mkdir()
    for name, data in files.items():
        (directory / "in" / name).write_bytes(data)
    (directory / "p.sql").write_text(SQL)
    return run_again(directory, *args)


def run_again(directory, *args):
    return foreset.run("run", "p.sql", "--available-now", "--warehouse", "w", "--progress", "none", *args,
                       cwd=directory, timeout=90)


def numbers(directory):
    return sorted(DeltaTable(str(directory / "w" / "t")).to_pyarrow_table()["n"].to_pylist())


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_members_are_joined_and_a_line_may_lie_across_them(tmp_path, suffix):
    data, pack = lines(0, 1000), CODECS[suffix]
    middle = len(data) // 2 + 3
    run(tmp_path, {f"a.json.{suffix}": pack(data[:middle]) + pack(data[middle:]), f"b.{suffix}": pack(lines(1000, 10)),
                   f"empty.{suffix}": b"", "plain.json": lines(1010, 5)}).check()
    assert numbers(tmp_path) == list(range(1015))


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_a_large_file_is_read_within_the_memory(tmp_path, suffix):
    data = b"".join(lines(0, 200_000) for _ in range(3))
    run(tmp_path, {f"a.{suffix}": CODECS[suffix](data)}, "--memory", "128M", "--lanes", "1").check()
    assert len(numbers(tmp_path)) == 600_000


@pytest.mark.parametrize("suffix", sorted(CODECS))
@pytest.mark.parametrize("damage", ["cut", "flip", "garbage behind"])
def test_damage_is_an_error_with_the_name_and_nothing_is_written(tmp_path, suffix, damage):
    packed = bytearray(CODECS[suffix](lines(0, 5000)))
    if damage == "cut":
        del packed[-7:]
    elif damage == "flip":
        packed[2] ^= 0xff
    else:
        packed += b"garbage"
    done = run(tmp_path, {"good.json": lines(0, 3), f"bad.{suffix}": bytes(packed)})
    assert done.returncode == foreset.EXIT_FAILED, done.stderr
    assert f"bad.{suffix}" in done.stderr
    assert re.search(rf"put a whole copy in the place of \S*bad\.{suffix}, or move it out of the folder", done.stderr)
    assert not (tmp_path / "w" / "t").exists() or not numbers(tmp_path)


def foreign():
    table, archive = io.BytesIO(), io.BytesIO()
    pq.write_table(pa.table({"id": ["a"], "n": [1]}), table)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.json", lines(0, 1))
    text = lines(0, 3).decode()
    return {"parquet.json": (table.getvalue(), "Parquet"), "zip.json": (archive.getvalue(), "ZIP"),
            "bom.json": (text.encode("utf-16"), "UTF-16"), "le.json": (text.encode("utf-16-le"), "UTF-16"),
            "be.json": (text.encode("utf-16-be"), "UTF-16"), "32.json": (text.encode("utf-32"), "UTF-32"),
            "gz.json": (gzip.compress(lines(0, 3)), "gzip"), "A.GZ": (gzip.compress(lines(0, 3)), "gzip"),
            "a.json.snappy": (lines(0, 1), "snappy"), "a.lz4": (lines(0, 1), "lz4"),
            "inner.gz": (gzip.compress(text.encode("utf-16")), "UTF-16")}


@pytest.mark.parametrize("name", sorted(foreign()))
def test_what_is_not_lines_of_json_is_refused_by_name(tmp_path, name):
    data, word = foreign()[name]
    done = run(tmp_path, {name: data})
    assert done.returncode != foreset.EXIT_DONE
    assert name in done.stderr and word in done.stderr
    assert not (tmp_path / "w" / "t").exists() or not numbers(tmp_path)


@pytest.mark.parametrize("inner", ["bz2", "gz", "zst"])  # zlib data have no mark of their own
@pytest.mark.parametrize("outer", sorted(CODECS))
def test_a_file_that_was_compressed_twice_is_told_so_and_read_once_mended(tmp_path, inner, outer):
    name = f"a.json.{inner}.{outer}"
    done = run(tmp_path, {name: CODECS[outer](CODECS[inner](lines(0, 3)))})
    assert done.returncode == foreset.EXIT_FAILED
    assert name in done.stderr and "it was compressed twice: decompressed once, it is" in done.stderr
    assert "end of the name" not in done.stderr
    (tmp_path / "in" / name).write_bytes(CODECS[outer](lines(0, 3)))
    run_again(tmp_path).check()
    assert numbers(tmp_path) == [0, 1, 2]
