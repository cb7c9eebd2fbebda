"""Tables that Spark writes in this test, shown by `foreset tables show`: Spark's rows, or an expected refusal.

Every table of tests/lib/spark_tables.py is read in its latest version; where its recipe asks, in each of its versions
and under conditions. spark_refused.txt lists what is refused by name. Wrong rows always fail. A table on the list that
is read now fails too: the list cannot go stale.
"""

import pathlib

import encode
import foreset
import pytest
import spark_tables


def refused():
    """{name: word that the message must hold}; everything behind the word is the reason, for people."""
    lines = (pathlib.Path(__file__).parent / "spark_refused.txt").read_text().splitlines()
    return {line.split()[0]: line.split()[1] for line in lines if line and not line.startswith("#")}


@pytest.fixture(scope="session")
def tables(tmp_path_factory):
    """All tables, made in one session of Spark."""
    return spark_tables.make(tmp_path_factory.mktemp("spark") / "tables")


def path_of(tables, name):
    path, failure, _ = tables[name]
    if failure:
        pytest.fail(f"Spark did not make the table {name}: {failure}", pytrace=False)
    return path


def show(path, *options):
    return foreset.run("tables", "show", path, "--format", "json", *options, timeout=60)


def compare(path, version=None, where=None):
    options = [*(["--version", version] if version is not None else []), *(["--where", where] if where else [])]
    expected = encode.sorted_texts(encode.rows(spark_tables.read(path, version, where)))
    found = encode.sorted_texts(foreset.json_lines(show(path, *options).check().stdout))
    missing, surplus = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    assert found == expected, (f"{len(found)} rows, Spark reads {len(expected)}; only Spark: {missing[:3]}; "
                               f"only foreset: {surplus[:3]}")


NAMES = sorted(spark_tables.TABLES)
READ = [name for name in NAMES if name not in refused()]


@pytest.mark.parametrize("name", READ)
def test_latest_version(tables, name):
    compare(path_of(tables, name))


@pytest.mark.parametrize("name", [name for name in READ if spark_tables.TABLES[name].versions])
def test_every_version(tables, name):
    path = path_of(tables, name)
    versions = [int(file.stem) for file in spark_tables.log_files(path, ".json") if file.stem.isdigit()]
    assert len(versions) > 1
    for version in versions:
        compare(path, version=version)


@pytest.mark.parametrize("name,where", [(name, where) for name in READ for where in spark_tables.TABLES[name].where])
def test_condition(tables, name, where):
    compare(path_of(tables, name), where=where)


@pytest.mark.parametrize("name", sorted(refused()))
def test_refused_by_name(tables, name):
    word = refused()[name]
    done = show(path_of(tables, name))
    assert done.returncode == foreset.EXIT_FAILED, f"{name} is read now: take it off spark_refused.txt"
    assert word.lower() in done.stderr.lower(), f"the refusal does not name {word}: {done.stderr}"
    assert not foreset.json_lines(done.stdout)


@pytest.mark.parametrize("name", [name for name in NAMES if spark_tables.TABLES[name].damaged])
def test_spark_refuses_a_damaged_table_too(tables, name):
    with pytest.raises(Exception):
        spark_tables.read(path_of(tables, name))


def test_every_damaged_table_is_refused():
    assert {name for name in NAMES if spark_tables.TABLES[name].damaged} <= set(refused())


def test_vacuumed_version_names_the_missing_file(tables):
    done = show(path_of(tables, "vacuumed"), "--version", 0)
    assert done.returncode == foreset.EXIT_FAILED and ".parquet" in done.stderr, done.stderr


def test_cleaned_version_is_refused(tables):
    done = show(path_of(tables, "log-cleaned"), "--version", 0)
    assert done.returncode == foreset.EXIT_FAILED and "version 0" in done.stderr, done.stderr
