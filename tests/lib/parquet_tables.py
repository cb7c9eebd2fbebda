"""Arrow tables with every type that Foreset reads from Parquet, and one Parquet file as a Delta table.

table() makes seeded values; delta_table() puts a Delta log around a file; expected() and shown() are the rows of the
writer's own library and of `foreset tables show` in one form, so that they compare with ==.
"""

import decimal
import json
import random
import struct
import uuid

import encode
import pyarrow as pa

DAY_US = 86_400_000_000
WORDS = ("", "a", "user-17", "user-18", "Größe", "日本語", "😀", 'quote " and \\', "tab\tline\n", "x" * 300)


def _integers(bits, signed):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return lambda r: r.choice((low, high, 0, 1, r.randint(low, high), r.randint(0, 100)))


def _floats(code):
    def one(r):
        special = (0.0, -0.0, float("nan"), float("inf"), float("-inf"), 1.5, 0.1)
        value = r.choice((*special, r.uniform(-1e6, 1e6), r.gauss(0, 1) * 1e30 if code != "e" else 2.0 ** -20))
        return struct.unpack(code, struct.pack(code, max(-6e4, min(6e4, value)) if code == "e" else value))[0]
    return one


def _decimals(precision, scale):
    def one(r):
        top = 10 ** precision - 1
        digits = r.choice((0, 1, -1, top, -top, r.randint(-top, top)))
        return decimal.Decimal(digits).scaleb(-scale, decimal.Context(prec=76))
    return one


def _stamps(unit_us, span_us):
    """Integers of the unit: around 1970, of any second of the span."""
    return lambda r: int(r.choice((0, -1, 1, r.randint(-span_us, span_us) * unit_us)))


def _text(r):
    return r.choice((*WORDS, f"user-{r.randint(0, 10**6)}"))


def _bytes(r):
    return r.choice((b"", b"\0", b"\xff\xfe", r.randbytes(r.randint(0, 20)), b"same prefix " + r.randbytes(3)))


def _many(one, most=4):
    return lambda r: [None if r.random() < 0.2 else one(r) for _ in range(r.randint(0, most))]


def _maps(key, item):
    return lambda r: list({key(r): None if r.random() < 0.2 else item(r) for _ in range(r.randint(0, 3))}.items())


def _some(one, share=0.2):
    return lambda r: None if r.random() < share else one(r)


_SPAN_US = 60_000 * DAY_US  # years 1806 to 2134: inside every library's range, nanoseconds included

FLAT = {
    "c_bool": (pa.bool_(), lambda r: r.random() < 0.5),
    "c_i8": (pa.int8(), _integers(8, True)), "c_i16": (pa.int16(), _integers(16, True)),
    "c_i32": (pa.int32(), _integers(32, True)), "c_i64": (pa.int64(), _integers(64, True)),
    "c_u8": (pa.uint8(), _integers(8, False)), "c_u16": (pa.uint16(), _integers(16, False)),
    "c_u32": (pa.uint32(), _integers(32, False)), "c_u64": (pa.uint64(), _integers(64, False)),
    "c_rise": (pa.int64(), lambda r: 1_700_000_000_000 + r.randint(0, 50)),
    "c_f16": (pa.float16(), _floats("e")), "c_f32": (pa.float32(), _floats("f")), "c_f64": (pa.float64(), _floats("d")),
    "c_dec4": (pa.decimal128(4, 2), _decimals(4, 2)), "c_dec9": (pa.decimal128(9, 0), _decimals(9, 0)),
    "c_dec18": (pa.decimal128(18, 6), _decimals(18, 6)), "c_dec38": (pa.decimal128(38, 10), _decimals(38, 10)),
    "c_date": (pa.date32(), lambda r: r.choice((0, -1, r.randint(-60_000, 60_000)))),
    "c_ms": (pa.timestamp("ms", "UTC"), lambda r: r.randint(-_SPAN_US, _SPAN_US) // 1000),
    "c_us": (pa.timestamp("us", "UTC"), _stamps(1, _SPAN_US)),
    "c_ns": (pa.timestamp("ns", "UTC"),
             lambda r: r.choice((-1, -999, -1001, r.randint(-_SPAN_US, _SPAN_US) * 1000 + 7))),
    "c_ms_local": (pa.timestamp("ms"), lambda r: r.randint(-_SPAN_US, _SPAN_US) // 1000),
    "c_us_local": (pa.timestamp("us"), _stamps(1, _SPAN_US)),
    "c_ns_local": (pa.timestamp("ns"), lambda r: r.randint(-_SPAN_US, _SPAN_US) * 1000),
    "c_text": (pa.string(), _text), "c_few": (pa.string(), lambda r: r.choice(WORDS[1:5])),
    "c_bin": (pa.binary(), _bytes),
    "c_fixed": (pa.binary(5), lambda r: r.choice((b"\0" * 5, r.randbytes(5)))),
}
_INNER = pa.struct([("x", pa.int32()), ("y", pa.string()), ("z", pa.list_(pa.int64()))])


def _inner(r):
    return {"x": _some(_integers(32, True))(r), "y": _some(_text)(r), "z": _some(_many(_integers(64, True)))(r)}


NESTED = {
    "n_list": (pa.list_(pa.int32()), _many(_integers(32, True))),
    "n_texts": (pa.list_(pa.string()), _many(_text)),
    "n_lists": (pa.list_(pa.list_(pa.string())), _many(_many(_text))),
    "n_struct": (_INNER, _inner),
    "n_structs": (pa.list_(_INNER), _many(_inner)),
    "n_deep": (pa.struct([("a", pa.struct([("b", pa.struct([("c", pa.float64())]))]))]),
               lambda r: {"a": _some(lambda r: {"b": _some(lambda r: {"c": _some(_floats("d"))(r)})(r)})(r)}),
    "n_stamps": (pa.list_(pa.timestamp("us", "UTC")), _many(_stamps(1, _SPAN_US))),
}
MAPS = {
    "m_text": (pa.map_(pa.string(), pa.int64()), _maps(_text, _integers(64, True))),
    "m_structs": (pa.map_(pa.string(), _INNER), _maps(_text, _inner)),
    "m_lists": (pa.map_(pa.int32(), pa.list_(pa.string())), _maps(_integers(32, True), _many(_text))),
    "n_maps": (pa.list_(pa.map_(pa.string(), pa.string())), _many(_maps(_text, _text))),
}
ALL = {**FLAT, **NESTED, **MAPS}


def table(seed, rows, columns=ALL, nulls=0.2):
    """Seeded rows; nulls: the share of nulls in every column, 0 makes the columns required."""
    r = random.Random(seed)
    names = list(columns)
    arrays = [pa.array([None if r.random() < nulls else columns[name][1](r) for _ in range(rows)], columns[name][0])
              for name in names]
    fields = [pa.field(name, columns[name][0], nullable=nulls > 0) for name in names]
    return pa.table(arrays, pa.schema(fields))


_DELTA = ((pa.types.is_boolean, "boolean"), (pa.types.is_int8, "byte"), (pa.types.is_int16, "short"),
          (pa.types.is_uint8, "short"), (pa.types.is_int32, "integer"), (pa.types.is_uint16, "integer"),
          (pa.types.is_null, "integer"), (pa.types.is_int64, "long"), (pa.types.is_uint32, "long"),
          (pa.types.is_uint64, "decimal(20,0)"), (pa.types.is_float16, "float"), (pa.types.is_float32, "float"),
          (pa.types.is_float64, "double"), (pa.types.is_date, "date"))


def is_list(kind):
    return (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_list_view(kind)
            or pa.types.is_fixed_size_list(kind))


def delta_type(kind):
    """The Delta schema's type that Spark gives to a Parquet column of an Arrow type."""
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz else "timestamp_ntz"
    if encode.is_text(kind):
        return "string"
    if encode.is_bytes(kind):
        return "binary"
    if pa.types.is_dictionary(kind):
        return delta_type(kind.value_type)
    if pa.types.is_struct(kind):
        return delta_struct(kind)
    if pa.types.is_map(kind):
        return {"type": "map", "keyType": delta_type(kind.key_type), "valueType": delta_type(kind.item_type),
                "valueContainsNull": True}
    if is_list(kind):
        return {"type": "array", "elementType": delta_type(kind.value_type), "containsNull": True}
    return next(name for test, name in _DELTA if test(kind))


def delta_struct(fields):
    return {"type": "struct", "fields": [{"name": field.name, "type": delta_type(field.type), "nullable": True,
                                          "metadata": {}} for field in fields]}


def delta_table(root, schema, name="part-0.parquet"):
    """A Delta log, version 0, that holds the one data file root/name; schema: its Arrow schema."""
    log = root / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    features = ["timestampNtz"]
    actions = (
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features,
                      "writerFeatures": features}},
        {"metaData": {"id": str(uuid.UUID(int=1)), "format": {"provider": "parquet", "options": {}},
                      "schemaString": json.dumps(delta_struct(schema)), "partitionColumns": [], "configuration": {}}},
        {"add": {"path": name, "partitionValues": {}, "size": (root / name).stat().st_size, "modificationTime": 0,
                 "dataChange": True}})
    (log / f"{0:020}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))
    return root


def _normal(kind, value):
    """An encoded value so that two equal ones compare equal: float's width, the order of a map's entries."""
    if value is None:
        return None
    if pa.types.is_uint64(kind):
        return str(value)
    if pa.types.is_float16(kind) or pa.types.is_float32(kind):
        return value if isinstance(value, str) else repr(struct.unpack("f", struct.pack("f", value))[0])
    if pa.types.is_float64(kind):
        return value if isinstance(value, str) else repr(float(value))
    if pa.types.is_dictionary(kind):
        return _normal(kind.value_type, value)
    if pa.types.is_struct(kind):
        return {field.name: _normal(field.type, value[field.name]) for field in kind}
    if is_list(kind):
        return [_normal(kind.value_type, item) for item in value]
    if pa.types.is_map(kind):
        pairs = [[_normal(kind.key_type, key), _normal(kind.item_type, item)] for key, item in value]
        return sorted(pairs, key=lambda pair: json.dumps(pair[0]))
    return value


def expected(found):
    """Rows of an Arrow table that the writer's own library read."""
    return [{field.name: _normal(field.type, row[field.name]) for field in found.schema} for row in encode.rows(found)]


def shown(stdout, schema):
    """Rows that `tables show --format json` printed of a table of this Arrow schema."""
    return [{field.name: _normal(field.type, row[field.name]) for field in schema}
            for row in map(json.loads, stdout.splitlines())]


def difference(ours, theirs):
    """None, or the first row and column that differ, for a failure's message."""
    if len(ours) != len(theirs):
        return f"{len(ours)} rows, expected {len(theirs)}"
    for at, (mine, other) in enumerate(zip(ours, theirs)):
        for name in other:
            if mine[name] != other[name]:
                return f"row {at}, column {name}: {str(mine[name])[:200]}, expected {str(other[name])[:200]}"
    return None
