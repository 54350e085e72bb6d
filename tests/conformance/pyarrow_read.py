"""Prints what PyArrow reads of Parquet files: for each file one line of JSON, {"types": [[name, type]], "codecs": [...],
"rows": [[cell]]}. A cell is null or text: bytes in hexadecimal, doubles by their bits, dates in days and times in microseconds
since 1970, because Python's own types end with the year 9999."""

import json
import struct
import sys

import pyarrow as pa
import pyarrow.parquet as pq


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


for path in sys.argv[1:]:
    with pq.ParquetFile(path) as file:
        table = file.read()
        group = file.metadata.row_group(0)
        codecs = {group.column(index).compression for index in range(group.num_columns)}
    columns = [storage(column).to_pylist() for column in table.columns]
    answer = {
        "types": [[field.name, str(field.type)] for field in table.schema],
        "codecs": sorted(codecs),
        "rows": [[cell(value) for value in row] for row in zip(*columns)],
    }
    print(json.dumps(answer))
