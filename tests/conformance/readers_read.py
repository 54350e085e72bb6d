"""Prints what a reader finds in Parquet files: readers_read.py pyarrow|polars|datafusion FILE... For each file one line of
JSON, {"types": [[name, type]], "codecs": [...], "bounded": [name], "rows": [[cell]]}; codecs and columns with bounds as PyArrow
finds them in the first row group, and of the others not asked for. A cell is null or text: bytes in hexadecimal, doubles by their
bits, dates in days and times in microseconds since 1970, because Python's own types end with the year 9999."""

import json
import struct
import sys

import pyarrow as pa
import pyarrow.parquet as pq


def read_pyarrow(path):
    with pq.ParquetFile(path) as file:
        group = file.metadata.row_group(0)
        columns = [group.column(index) for index in range(group.num_columns)]
        bounded = [c.path_in_schema for c in columns if c.statistics and c.statistics.has_min_max]
        return file.read(), {column.compression for column in columns}, bounded


def read_polars(path):
    import polars

    return polars.read_parquet(path, hive_partitioning=False).to_arrow(), [], []


def read_datafusion(path):
    import datafusion

    # With more than one partition the row groups come in any order.
    config = datafusion.SessionConfig().with_target_partitions(1)
    context = datafusion.SessionContext(config)
    return pa.Table.from_batches(context.read_parquet(path).collect()), [], []


def storage(column):
    """The column's values without what its type says of them."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    if pa.types.is_date32(column.type):
        return column.cast(pa.int32())
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    return column


def cell(value):
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "nan" if value != value else struct.pack(">d", value).hex()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


reader, *paths = sys.argv[1:]
read = {"pyarrow": read_pyarrow, "polars": read_polars, "datafusion": read_datafusion}[reader]
for path in paths:
    table, codecs, bounded = read(path)
    columns = [storage(column).to_pylist() for column in table.columns]
    answer = {
        "types": [[field.name, str(field.type)] for field in table.schema],
        "codecs": sorted(codecs),
        "bounded": bounded,
        "rows": [[cell(value) for value in row] for row in zip(*columns)],
    }
    print(json.dumps(answer))
