"""Tables that Spark wrote, shown by `foreset tables show`: equal rows, or a refusal that refused.txt expects.

Wrong rows always fail. A table on refused.txt that is read now fails too: the list cannot go stale.
"""

import io
import pathlib
import tarfile

import encode
import foreset
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

NAMES = sorted(p.name.removesuffix(".tar.zst") for p in (foreset.CORPORA / "golden-tables").glob("*.tar.zst"))

# Partition values of type timestamp carry no zone; these were written and expected in the zone of the machine that made
# them. Foreset reads them as UTC, as delta-rs does, so this column is left out on both sides.
ZONE_OF_THE_WRITER = {"data-reader-partition-values": "as_timestamp"}


def refused():
    """{name: word that the message must hold}; everything behind the word is the reason, for people."""
    lines = (pathlib.Path(__file__).parent / "refused.txt").read_text().splitlines()
    return {line.split()[0]: line.split()[1] for line in lines if line and not line.startswith("#")}


def unpack(name, target):
    archive = foreset.corpus("golden-tables", f"{name}.tar.zst").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(zstandard.ZstdDecompressor().stream_reader(archive).read())) as tar:
        foreset.unpack(tar, target)
    return next(p for p in target.iterdir() if p.is_dir())


def without(rows, column):
    return [{name: value for name, value in row.items() if name != column} for row in rows]


def expected_rows(root, left_out=None):
    """None where the case has no expected part: then the table must be refused, or only its log is good."""
    files = sorted((root / "expected").rglob("*.parquet"))
    if not files:
        return None
    return encode.sorted_texts(without(encode.rows(pa.concat_tables(pq.read_table(file) for file in files)), left_out))


@pytest.mark.parametrize("name", NAMES or ["golden-tables"])  # missing: one test, skipped
def test_golden_table(name, tmp_path):
    root = unpack(name, tmp_path)
    left_out = ZONE_OF_THE_WRITER.get(name)
    expected, word = expected_rows(root, left_out), refused().get(name)
    done = foreset.run("tables", "show", root / "delta", "--format", "json", timeout=60)
    if word:
        assert done.returncode == foreset.EXIT_FAILED, f"{name} is read now: take it off refused.txt"
        assert word.lower() in done.stderr.lower(), f"the refusal does not name {word}: {done.stderr}"
        return
    if expected is None:
        # Only a log, with files that were never there: a table without rows, or a failure that says why.
        assert not foreset.json_lines(done.stdout), done.stdout[:500]
        assert done.returncode == foreset.EXIT_DONE or (done.returncode == foreset.EXIT_FAILED and done.stderr.strip())
        return
    done.check()
    assert encode.sorted_texts(without(foreset.json_lines(done.stdout), left_out)) == expected
