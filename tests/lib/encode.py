"""Values of an Arrow table in the encoding of the conformance cases (conformance/expr/README.md).

rows(table) gives one dict per row. A type that the encoding does not know raises, so that nothing is compared as text
by accident.
"""

import base64
import json
import math

import pyarrow as pa


def _double(value):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _civil(days):
    """Days since 1970-01-01 → (year, month, day), in any year (proleptic Gregorian)."""
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def _date(days):
    year, month, day = _civil(days)
    return f"{'-' if year < 0 else ''}{abs(year):04}-{month:02}-{day:02}"


def _micros(value):
    """int64 microseconds → text, without datetime's range of years."""
    seconds, micros = divmod(value, 1_000_000)
    days, second = divmod(seconds, 86400)
    return f"{_date(days)}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{micros:06}Z"


def is_text(kind):
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_bytes(kind):
    return (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
            or pa.types.is_fixed_size_binary(kind))


def value(scalar, kind):
    """One value: scalar as Arrow's to_pylist gives it, but timestamps as integers of microseconds."""
    if scalar is None:
        return None
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind):
        return scalar
    if pa.types.is_floating(kind):
        return _double(scalar)
    if is_text(kind):
        return scalar
    if pa.types.is_decimal(kind):
        return f"{scalar:f}"
    if pa.types.is_date(kind):
        return scalar.isoformat()
    if is_bytes(kind):
        return base64.b64encode(scalar).decode()
    if pa.types.is_dictionary(kind):
        return value(scalar, kind.value_type)
    if pa.types.is_struct(kind):
        return {field.name: value(scalar[field.name], field.type) for field in kind}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [value(item, kind.value_type) for item in scalar]
    if pa.types.is_map(kind):
        # The cases were collected as Python dicts: of a repeated key, which Spark's from_json keeps, the last is left.
        pairs = {json.dumps(value(k, kind.key_type)): [value(k, kind.key_type), value(v, kind.item_type)]
                 for k, v in scalar}
        return [pairs[key] for key in sorted(pairs)]
    raise TypeError(f"no encoding for Arrow type {kind}")


def _ticks(values, unit):
    """Integers of a timestamp's unit → microseconds; of nanoseconds the rest goes, towards the past."""
    if unit == "ns":
        return [None if ticks is None else ticks // 1000 for ticks in values]
    factor = {"s": 1_000_000, "ms": 1000, "us": 1}[unit]
    return [None if ticks is None else ticks * factor for ticks in values]


def _map_column(combined):
    """[[key, value], …] sorted by key; of a repeated key (see value()) the last."""
    keys, items = column(combined.keys), column(combined.items)
    offsets, valid, found = combined.offsets.to_pylist(), combined.is_valid().to_pylist(), []
    for row, ok in enumerate(valid):
        pairs = {json.dumps(keys[at]): [keys[at], items[at]] for at in range(offsets[row], offsets[row + 1])}
        found.append([pairs[key] for key in sorted(pairs)] if ok else None)
    return found


def column(chunked):
    """The encoded values of one column."""
    kind = chunked.type
    if pa.types.is_timestamp(kind):
        ticks = _ticks(chunked.cast(pa.int64()).to_pylist(), kind.unit)
        return [None if v is None else _micros(v) for v in ticks]
    if pa.types.is_date32(kind):
        return [None if days is None else _date(days) for days in chunked.cast(pa.int32()).to_pylist()]
    if pa.types.is_struct(kind):
        combined = chunked.combine_chunks() if isinstance(chunked, pa.ChunkedArray) else chunked
        fields = [column(combined.field(i)) for i in range(kind.num_fields)]
        valid = combined.is_valid().to_pylist()
        names = [f.name for f in kind]
        return [dict(zip(names, values)) if ok else None for ok, *values in zip(valid, *fields)]
    if pa.types.is_map(kind):
        return _map_column(chunked.combine_chunks() if isinstance(chunked, pa.ChunkedArray) else chunked)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        combined = chunked.combine_chunks() if isinstance(chunked, pa.ChunkedArray) else chunked
        flat = iter(column(combined.flatten()))
        lengths = combined.value_lengths().to_pylist()
        return [None if n is None else [next(flat) for _ in range(n)] for n in lengths]
    return [value(v, kind) for v in chunked.to_pylist()]


def rows(table):
    columns = [column(table.column(i)) for i in range(table.num_columns)]
    return [dict(zip(table.column_names, values)) for values in zip(*columns)]


def text(row):
    """The text that rows are sorted and compared by: independent of the order of columns, exact in numbers."""
    return json.dumps(row, sort_keys=True, ensure_ascii=False)


def sorted_texts(found):
    return sorted(text(row) for row in found)
