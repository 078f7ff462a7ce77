"""Every scenario, by number and by name. Names are the service's model names."""

from __future__ import annotations

from tests.faults import rows_end, rows_keys, rows_size, rows_status, rows_stream, rows_transport
from tests.faults.row import Row

ROWS: tuple[Row, ...] = tuple(
    sorted(
        (*rows_transport.ROWS, *rows_end.ROWS, *rows_status.ROWS, *rows_stream.ROWS, *rows_size.ROWS, *rows_keys.ROWS),
        key=lambda row: row.number,
    )
)
BY_NAME = {f"{row.number}-{row.name}": row for row in ROWS}
assert len(BY_NAME) == len(ROWS)
