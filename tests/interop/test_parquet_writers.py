"""Parquet files by pyarrow, DuckDB and Polars, shown by `foreset tables show`: the rows that the writer reads back.

Every codec, page version and encoding that each writer can be made to write, over every type that is read; then
damaged copies. A codec that is not built in must be refused by name. Everything is seeded.
"""

import random
import shutil

import duckdb
import foreset
import parquet_tables as tables
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CODECS = ("none", "snappy", "gzip", "zstd", "lz4", "brotli")
REFUSED = {"brotli"}
SHOW_SECONDS_MAX = 30

INTEGERS = ("c_i8", "c_i16", "c_i32", "c_i64", "c_u8", "c_u16", "c_u32", "c_u64", "c_rise", "c_date", "c_ms", "c_us",
            "c_ns", "c_ms_local", "c_us_local", "c_ns_local")
FIXED = ("c_fixed", "c_dec4", "c_dec9", "c_dec18", "c_dec38", "c_f16")
BYTES = ("c_text", "c_few", "c_bin")
SPLIT = (*INTEGERS, *FIXED, "c_f32", "c_f64")
# Of a table's flat columns; the others are PLAIN.
ENCODINGS = (
    {},
    {**dict.fromkeys(INTEGERS, "DELTA_BINARY_PACKED"), **dict.fromkeys(BYTES, "DELTA_LENGTH_BYTE_ARRAY"),
     **dict.fromkeys((*FIXED[:-1],), "DELTA_BYTE_ARRAY"), "c_f32": "BYTE_STREAM_SPLIT", "c_f64": "BYTE_STREAM_SPLIT"},
    {**dict.fromkeys(SPLIT, "BYTE_STREAM_SPLIT"), **dict.fromkeys(BYTES, "DELTA_BYTE_ARRAY"), "c_bool": "RLE"},
)
NESTED_ENCODINGS = {"n_list.list.element": "DELTA_BINARY_PACKED", "n_texts.list.element": "DELTA_BYTE_ARRAY",
                    "n_struct.y": "DELTA_LENGTH_BYTE_ARRAY", "n_deep.a.b.c": "BYTE_STREAM_SPLIT",
                    "m_text.key_value.key": "DELTA_BYTE_ARRAY", "m_text.key_value.value": "DELTA_BINARY_PACKED"}

PYARROW_OPTIONS = {
    "no-statistics": {"write_statistics": False},
    "page-index": {"write_page_index": True, "data_page_size": 64, "write_batch_size": 5},
    "checksums": {"write_page_checksum": True},
    "checksums-v2": {"write_page_checksum": True, "data_page_version": "2.0", "compression": "zstd"},
    "bloom": {"bloom_filter_options": {"c_i64": {"ndv": 200, "fpp": 0.05}, "c_text": {"ndv": 200, "fpp": 0.05}}},
    "row-groups": {"row_group_size": 3},
    "one-row-pages": {"max_rows_per_page": 1, "write_batch_size": 1, "data_page_size": 1},
    "one-row-pages-v2": {"max_rows_per_page": 1, "write_batch_size": 1, "data_page_size": 1,
                         "data_page_version": "2.0", "use_dictionary": False},
    "dictionary-falls-back": {"dictionary_pagesize_limit": 64, "write_batch_size": 8, "data_page_size": 64},
    "int96": {"use_deprecated_int96_timestamps": True},
    "int96-plain": {"use_deprecated_int96_timestamps": True, "use_dictionary": False},
    "decimal-integers": {"store_decimal_as_integer": True, "data_page_version": "2.0"},
    "decimal-integers-delta": {"store_decimal_as_integer": True, "use_dictionary": False,
                               "column_encoding": dict.fromkeys(("c_dec4", "c_dec9", "c_dec18"),
                                                                "DELTA_BINARY_PACKED")},
    "format-1": {"version": "1.0", "flavor": "spark"},
    "format-2.4": {"version": "2.4", "coerce_timestamps": "us", "allow_truncated_timestamps": True},
    "list-items": {"use_compliant_nested_type": False},
    "no-arrow-schema": {"store_schema": False},
}


def write_pyarrow(root, table, **options):
    pq.write_table(table, root / "part-0.parquet", **options)
    return pq.read_table(root / "part-0.parquet")


def plain_lists(table):
    """Lists of a fixed length are lists in Parquet."""
    kinds = {field.name: pa.list_(field.type.value_type) if pa.types.is_fixed_size_list(field.type) else field.type
             for field in table.schema}
    return table.cast(pa.schema(kinds))


def write_polars(root, table, **options):
    polars.from_arrow(table).write_parquet(root / "part-0.parquet", **options)
    return plain_lists(polars.read_parquet(root / "part-0.parquet").to_arrow())


def write_duckdb(root, table, **options):
    path = root / "part-0.parquet"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("source", table)
        wanted = ", ".join(("FORMAT parquet", *(f"{name} {value}" for name, value in options.items())))
        connection.execute(f"COPY source TO '{path}' ({wanted})")
        return connection.sql(f"SELECT * FROM read_parquet('{path}')").to_arrow_table()


def show(root):
    return foreset.run("tables", "show", root, "--format", "json", timeout=SHOW_SECONDS_MAX)


def check_equal(root, read_back, what):
    done = show(tables.delta_table(root, read_back.schema)).check()
    found = tables.difference(tables.shown(done.stdout, read_back.schema), tables.expected(read_back))
    assert found is None, f"{what}: {found}"


def check_file(path, write, table, what, codec="none", **options):
    """One file: written, read back by its writer, shown by the program, or refused by the codec's name."""
    root = path / what
    root.mkdir()
    read_back = write(root, table, **options)
    if codec not in REFUSED:
        check_equal(root, read_back, what)
    else:
        done = show(tables.delta_table(root, read_back.schema)).check(foreset.EXIT_FAILED)
        assert codec in done.stderr and "part-0.parquet" in done.stderr, done.stderr
    shutil.rmtree(root)


def encodings(path):
    """{column: encodings} of a file."""
    found = {}
    metadata = pq.ParquetFile(path).metadata
    for group in range(metadata.num_row_groups):
        for at in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(at)
            found.setdefault(chunk.path_in_schema, set()).update(chunk.encodings)
    return found


@pytest.mark.parametrize("version", ("1.0", "2.0"))
@pytest.mark.parametrize("codec", CODECS)
def test_pyarrow_codecs_and_encodings(codec, version, tmp_path):
    options = {"compression": codec, "data_page_version": version}
    for nulls in (0, 0.2):
        table = tables.table(f"pyarrow {codec} {version}", 150, nulls=nulls)
        check_file(tmp_path, write_pyarrow, table, f"dictionary-{nulls}", codec, **options)
        for number, chosen in enumerate(ENCODINGS):
            chosen = {**dict.fromkeys(tables.FLAT, "PLAIN"), **chosen, **(NESTED_ENCODINGS if number else {})}
            check_file(tmp_path, write_pyarrow, table, f"encodings-{number}-{nulls}", codec, use_dictionary=False,
                       column_encoding=chosen, **options)


def test_pyarrow_writes_the_encodings_it_is_asked_for(tmp_path):
    """The case above is worth nothing for an encoding that the writer leaves out."""
    for chosen in ENCODINGS[1:]:
        write_pyarrow(tmp_path, tables.table("asked", 50), use_dictionary=False, column_encoding=chosen)
        found = encodings(tmp_path / "part-0.parquet")
        assert not [name for name, encoding in chosen.items() if encoding not in found[name]]


@pytest.mark.parametrize("option", PYARROW_OPTIONS)
def test_pyarrow_options(option, tmp_path):
    for nulls in (0, 0.3):
        table = tables.table(f"pyarrow {option}", 60, nulls=nulls)
        check_file(tmp_path, write_pyarrow, table, f"nulls-{nulls}", **PYARROW_OPTIONS[option])


# Polars has no maps, DuckDB no half floats.
WITHOUT_MAPS = {**tables.FLAT, **tables.NESTED}
WITHOUT_HALVES = {name: column for name, column in tables.ALL.items() if name != "c_f16"}


@pytest.mark.parametrize("codec", CODECS)
def test_polars(codec, tmp_path):
    table = tables.table(f"polars {codec}", 150, WITHOUT_MAPS)
    arrays = pa.array([None if i % 5 == 0 else [i, None, -i] for i in range(150)], pa.list_(pa.int16(), 3))
    table = table.append_column("fixed_list", arrays)
    options = {"compression": "uncompressed" if codec == "none" else codec}
    check_file(tmp_path, write_polars, table, "statistics", codec, **options, statistics="full")
    check_file(tmp_path, write_polars, table, "small-groups", codec, **options, statistics=False, row_group_size=7)
    check_file(tmp_path, write_polars, table, "small-pages", codec, **options, data_page_size=16)
    check_file(tmp_path, write_polars, tables.table("polars none", 150, WITHOUT_MAPS, 0), "no-nulls", codec, **options)


@pytest.mark.parametrize("version", ("V1", "V2"))
@pytest.mark.parametrize("codec", (*CODECS, "lz4_raw"))
def test_duckdb(codec, version, tmp_path):
    table = tables.table(f"duckdb {codec} {version}", 150, WITHOUT_HALVES)
    options = {"COMPRESSION": "uncompressed" if codec == "none" else codec, "PARQUET_VERSION": version}
    check_file(tmp_path, write_duckdb, table, "usual", codec, **options)
    check_file(tmp_path, write_duckdb, table, "no-dictionary", codec, **options, DICTIONARY_SIZE_LIMIT=0)
    check_file(tmp_path, write_duckdb, table, "dictionary", codec, **options, DICTIONARY_SIZE_LIMIT=100000,
               WRITE_BLOOM_FILTER="true")
    check_file(tmp_path, write_duckdb, table, "small-pages", codec, **options, DATA_PAGE_SIZE_LIMIT=1024)
    full = tables.table("duckdb none", 150, WITHOUT_HALVES, 0)
    check_file(tmp_path, write_duckdb, full, "no-nulls", codec, **options)


def test_duckdb_row_groups(tmp_path):
    """DuckDB's smallest row group has 2048 rows."""
    names = ("c_bool", "c_i32", "c_rise", "c_f64", "c_few", "c_text", "n_list", "n_struct", "m_text")
    table = tables.table("groups", 5000, {name: tables.ALL[name] for name in names})
    for version in ("V1", "V2"):
        check_file(tmp_path, write_duckdb, table, version, PARQUET_VERSION=version, ROW_GROUP_SIZE=2048)


def test_duckdb_int96(tmp_path):
    columns = {name: column for name, column in WITHOUT_HALVES.items() if name in ("c_us_local", "c_ms_local")}
    check_file(tmp_path, write_duckdb, tables.table("int96", 150, columns), "int96", WRITE_TIMESTAMP_AS_INT96="true")


WRITERS = {"pyarrow": (write_pyarrow, tables.ALL), "polars": (write_polars, WITHOUT_MAPS),
           "duckdb": (write_duckdb, WITHOUT_HALVES)}


@pytest.mark.parametrize("writer", WRITERS)
def test_sizes_and_nulls(writer, tmp_path):
    write, columns = WRITERS[writer]
    for rows in (0, 1, 7, 8, 9, 127, 128, 129, 1025):
        check_file(tmp_path, write, tables.table(f"{rows}", rows, columns), f"rows-{rows}")
    for rows in (1, 100):
        check_file(tmp_path, write, tables.table(f"nulls {rows}", rows, columns, 1), f"nulls-{rows}")
    half = pa.concat_tables([tables.table("left", 300, columns, 1), tables.table("right", 300, columns, 0.5),
                             tables.table("end", 300, columns, 1)])
    check_file(tmp_path, write, half, "nulls-at-both-ends")
    long = tables.table("long", 40_000, {name: columns[name] for name in ("c_bool", "c_rise", "c_few", "n_list")}, 0.1)
    check_file(tmp_path, write, long, "more-rows-than-a-batch")


@pytest.mark.parametrize("writer", WRITERS)
def test_big_values(writer, tmp_path):
    r = random.Random(writer)
    texts = [r.choice((None, "", "é" * 300_000, "z" * r.randint(1, 1_000_000), "short")) for _ in range(20)]
    table = pa.table({"text": texts, "bin": [None if t is None else t.encode()[::-1] for t in texts],
                      "list": [None if t is None else [t, None, t[:5]] for t in texts]},
                     pa.schema([("text", pa.string()), ("bin", pa.binary()), ("list", pa.list_(pa.string()))]))
    check_file(tmp_path, WRITERS[writer][0], table, "big")


def test_columns_of_nothing(tmp_path):
    table = pa.table({"nothing": pa.nulls(9), "list": pa.array([[]] * 9, pa.list_(pa.null())), "n": range(9)})
    check_file(tmp_path, write_pyarrow, table, "null-type")
    for version in ("1.0", "2.0"):
        empty = tables.table("empty", 5).slice(0, 0)
        check_file(tmp_path, write_pyarrow, empty, f"empty-{version}", data_page_version=version)


def test_dictionary_columns_and_deep_lists(tmp_path):
    codes = pa.array(["a", "b", None, "a", "ccc"] * 50).dictionary_encode()
    deep, kind = [1, None, 3], pa.int32()
    for _ in range(12):
        deep, kind = [deep, None, []], pa.list_(kind)
    table = pa.table([codes, pa.array([deep, None, [], [None], deep] * 50, pa.list_(kind))], ["codes", "deep"])
    for version in ("1.0", "2.0"):
        check_file(tmp_path, write_pyarrow, table, f"deep-{version}", data_page_version=version, data_page_size=100)


# Damage: columns are few, so that a bit often hits something of use.
DAMAGED = {
    "v1": (write_pyarrow, {"write_page_checksum": True, "data_page_size": 200, "write_batch_size": 10}),
    "v2": (write_pyarrow, {"write_page_checksum": True, "data_page_version": "2.0", "data_page_size": 200,
                           "compression": "zstd", "write_batch_size": 10}),
    "delta": (write_pyarrow, {"write_page_checksum": True, "use_dictionary": False, "compression": "none",
                              "column_encoding": {"c_i64": "DELTA_BINARY_PACKED", "c_text": "DELTA_BYTE_ARRAY",
                                                  "c_f64": "BYTE_STREAM_SPLIT", "c_bool": "RLE",
                                                  "c_bin": "DELTA_LENGTH_BYTE_ARRAY"}}),
    "index": (write_pyarrow, {"write_page_checksum": True, "write_page_index": True, "compression": "lz4",
                              "bloom_filter_options": {"c_text": {"ndv": 50, "fpp": 0.1}}}),
    "unchecked": (write_pyarrow, {"compression": "gzip"}),
    "polars": (write_polars, {"compression": "snappy"}),
    "duckdb": (write_duckdb, {"PARQUET_VERSION": "V2", "COMPRESSION": "uncompressed"}),
}
DAMAGED_COLUMNS = ("c_bool", "c_i64", "c_f64", "c_dec9", "c_us", "c_text", "c_bin", "n_list", "n_struct")
DAMAGES = 48


def chunks(path):
    """[(from, to)] of a file's column chunks, page headers included."""
    metadata, found = pq.ParquetFile(path).metadata, []
    for group in range(metadata.num_row_groups):
        for at in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(at)
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            found.append((start, start + chunk.total_compressed_size))
    return found


def checksum_tells(path):
    """Whether pyarrow finds a wrong checksum: they cover the bodies of pages, and not their headers."""
    try:
        pq.read_table(path, page_checksum_verification=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        return "crc" in str(error).lower()
    return False


def check_damaged(root, schema, rows, must_know, what):
    """Refused with a message that names the file, or shown: with equal rows where a checksum must tell."""
    done = show(tables.delta_table(root, schema))
    assert done.returncode in (foreset.EXIT_DONE, foreset.EXIT_FAILED), f"{what}: exit {done.returncode} {done.stderr}"
    if done.returncode == foreset.EXIT_FAILED:
        assert "part-0.parquet" in done.stderr, f"{what}: {done.stderr}"
        return False
    if must_know:
        found = tables.difference(tables.shown(done.stdout, schema), rows)
        assert found is None, f"{what}: {found}"
    return True


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files(kind, tmp_path):
    write, options = DAMAGED[kind]
    columns = {name: tables.ALL[name] for name in DAMAGED_COLUMNS}
    read_back = write(tmp_path, tables.table(f"damaged {kind}", 40, columns), **options)
    path, rows, r = tmp_path / "part-0.parquet", tables.expected(read_back), random.Random(kind)
    whole, pages = path.read_bytes(), chunks(path)
    checked = options.get("write_page_checksum", False)
    refused = told = 0
    for number in range(DAMAGES):
        damaged = bytearray(whole)
        if number % 4 == 0:
            at = r.randrange(len(whole))
            del damaged[at:]
            what, must_know = f"{kind}: cut at byte {at} of {len(whole)}", True
        else:
            start, end = r.choice(pages) if number % 4 < 3 else (max(to for _, to in pages), len(whole))
            at, bit = r.randrange(start, end), r.randrange(8)
            damaged[at] ^= 1 << bit
            what, must_know = f"{kind}: bit {bit} of byte {at} in {start} … {end}", False
        path.write_bytes(damaged)
        must_know = must_know or (checked and checksum_tells(path))
        told += checked and must_know
        refused += not check_damaged(tmp_path, read_back.schema, rows, must_know, what)
    assert refused >= DAMAGES // 4, "every cut file is refused"
    assert told > DAMAGES // 3 or not checked, "checksums are there and cover most of a page"
