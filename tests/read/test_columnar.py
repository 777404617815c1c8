"""Parquet: columns of every type, row groups, damage, and files that claim more than they should."""

from __future__ import annotations

import datetime
import gzip
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import Config
from pipeline.read.footer import BYTE_ARRAY, DATA, DICTIONARY, STORED, TYPE, UNKNOWN, column_chunks

from .conftest import read_all


def _write(path: Path, table: pa.Table, **options: object) -> Path:
    pq.write_table(table, path / "a.parquet", **options)
    return path / "a.parquet"


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.string())]
)
@pytest.mark.parametrize("coded", [True, False])
def test_texts_of_every_type(kind: pa.DataType, coded: bool, tmp_path: Path) -> None:
    """Texts are read from strings, bytes and dictionaries, coded or not."""
    texts = ["Grüße", "again", "again", None]
    array = pa.array(texts).cast(pa.binary()).cast(kind) if "binary" in str(kind) else pa.array(texts).cast(kind)
    rows = read_all(_write(tmp_path, pa.table({"text": array, "url": array}), use_dictionary=coded)).to_pylist()
    assert [row["text"] for row in rows] == texts
    assert [row["url"] for row in rows] == texts
    assert [row["reason"] for row in rows] == [None, None, None, "missing-text"]


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    """A text of bytes that are not UTF-8 is set aside with them, whatever the column's type says."""
    array = pa.array([b"fine", b"\xff"], pa.binary())
    lying = pa.Array.from_buffers(pa.string(), 2, array.buffers())
    for column in (array, lying):
        rows = read_all(_write(tmp_path, pa.table({"text": column}))).to_pylist()
        assert [row["reason"] for row in rows] == [None, "not-utf8"]
        assert rows[1]["raw"] == b"\xff"


def test_metadata_of_every_type(tmp_path: Path) -> None:
    """Every other column is kept as JSON: numbers, moments, decimals, bytes, lists, structs."""
    moment = datetime.datetime(2017, 2, 28, 10, tzinfo=datetime.UTC)
    table = pa.table(
        {
            "text": ["x"],
            "a_int": pa.array([7], pa.uint8()),
            "b_float": [0.1],
            "c_nan": [float("nan")],
            "d_time": pa.array([moment], pa.timestamp("ns", "UTC")),
            "e_day": [datetime.date(2017, 2, 28)],
            "f_decimal": [Decimal("1.50")],
            "g_bytes": [b"\xff"],
            "h_list": [["a", None]],
            "i_struct": [{"x": None, "y": moment}],
            "j_null": pa.nulls(1),
            "k_bool": [True],
        }
    )
    (row,) = read_all(_write(tmp_path, table)).to_pylist()
    assert json.loads(row["metadata"]) == {
        "a_int": 7,
        "b_float": 0.1,
        "c_nan": "NaN",
        "d_time": "2017-02-28 10:00:00.000000000Z",
        "e_day": "2017-02-28",
        "f_decimal": "1.50",
        "g_bytes": "/w==",
        "h_list": ["a", None],
        "i_struct": {"y": "2017-02-28 10:00:00.000000Z"},
        "k_bool": True,
    }


@pytest.mark.parametrize(
    "kind", [pa.timestamp("s"), pa.timestamp("ns", "Europe/Paris"), pa.timestamp("us", "UTC"), pa.date32(), pa.string()]
)
def test_published_of_every_type(kind: pa.DataType, tmp_path: Path) -> None:
    """Moments and days are published as they are, in UTC."""
    value = "2017-02-28" if pa.types.is_string(kind) else datetime.date(2017, 2, 28)
    if pa.types.is_timestamp(kind):
        value = datetime.datetime(2017, 2, 28, tzinfo=datetime.UTC if kind.tz else None)
    (row,) = read_all(_write(tmp_path, pa.table({"text": ["x"], "published": pa.array([value], kind)}))).to_pylist()
    assert row["published"] == datetime.datetime(2017, 2, 28, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "kind", [pa.timestamp("s"), pa.timestamp("ms", "Europe/Paris"), pa.timestamp("us", "UTC"), pa.date32(), pa.date64()]
)
def test_published_in_a_year_that_nobody_counts(kind: pa.DataType, tmp_path: Path) -> None:
    """A moment before the year 1 or after 9999 is a date that was not understood; its number is in the metadata."""
    days = [17_225, 2_932_896, -719_162, 2_932_897, -719_163, None]  # 2017, both edges, and what lies beyond
    each = (
        1 if pa.types.is_date32(kind) else 86_400 * {"s": 1, "ms": 1_000, "us": 1_000_000}[getattr(kind, "unit", "ms")]
    )
    numbers = pa.array([None if day is None else day * each for day in days], pa.int64())
    column = numbers.cast(pa.int32()).cast(kind) if pa.types.is_date32(kind) else numbers.cast(kind)
    found = read_all(_write(tmp_path, pa.table({"text": ["x"] * 6, "published": column}))).to_pylist()
    assert [row["published"] and row["published"].year for row in found] == [2017, 9999, 1, None, None, None]
    assert [row["flags"] for row in found] == [None, None, None, ["unparsed-published"], ["unparsed-published"], None]
    after, before = (int(json.loads(row["metadata"])["published"]) for row in found[3:5])  # in the unit of the file
    assert before < 0 < after
    assert before * days[3] == pytest.approx(after * days[4])


def test_wrong_types_are_told(tmp_path: Path) -> None:
    """A number where a text belongs is wrong-type; whole numbers as ids are fine."""
    table = pa.table({"text": ["x", "y"], "title": [1, None], "id": [7, 8]})
    rows = read_all(_write(tmp_path, table)).to_pylist()
    assert [row["reason"] for row in rows] == ["wrong-type", None]
    assert [row["id"] for row in rows] == ["7", "8"]


def test_row_groups_keep_positions(tmp_path: Path) -> None:
    """Row groups are read one by one and positions count through the file; gzip around it changes nothing."""
    path = _write(tmp_path, pa.table({"text": [f"story {n}" for n in range(1000)]}), row_group_size=300)
    rows = read_all(path).to_pylist()
    assert [row["origin"]["index"] for row in rows] == list(range(1000))
    packed = tmp_path / "b.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    again = read_all(packed).to_pylist()
    assert [row["text"] for row in again] == [row["text"] for row in rows]
    assert [row["id"] for row in again] == [row["id"] for row in rows]


def test_row_group_without_rows_takes_no_position(tmp_path: Path) -> None:
    """A sound file may hold row groups of no rows, which count for nothing, with gzip around it or without."""
    table = pa.table({"text": ["one", "two"]})
    with pq.ParquetWriter(tmp_path / "a.parquet", table.schema) as writer:
        for part in (table, table.slice(0, 0), table):
            writer.write_table(part)
    (tmp_path / "b.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    for name in ("a.parquet", "b.parquet.gz"):
        assert [row["origin"]["index"] for row in read_all(tmp_path / name).to_pylist()] == [0, 1, 2, 3]


def test_damaged_pages_keep_what_came_before(tmp_path: Path) -> None:
    """Rows before a damaged page are kept, and the damage is one row."""
    texts = [f"story {n} " + "x" * n for n in range(1000)]
    path = _write(tmp_path, pa.table({"text": texts}), row_group_size=250, write_page_checksum=True)
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    data[(chunk.dictionary_page_offset + chunk.data_page_offset) // 2] ^= 0xFF
    path.write_bytes(data)
    rows = read_all(path).to_pylist()
    bad = [number for number, row in enumerate(rows) if row["reason"]]
    assert len(bad) == 1
    assert rows[bad[0]]["reason"] == "invalid-parquet"
    assert [row["text"] for row in rows[:250]] == texts[:250]


_BOMB = """
import resource, sys
sys.path.insert(0, {root!r})
import pyarrow as pa, pyarrow.parquet as pq
from tests.read.conftest import read_all
from pipeline.config import Config
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from pipeline.read import discover, plan, read_shard
config = Config()
seen = {{}}
for shard in plan(discover([{path!r}], config), config):
    for batch in read_shard(shard, config):
        for reason in batch.column("reason").to_pylist():
            seen[reason] = seen.get(reason, 0) + 1
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(seen, (peak - before) >> 10)
"""


def _measure(path: Path) -> tuple[dict[str | None, int], int]:
    """Reasons, and MB of memory that reading took beyond what imports take, in a process of its own."""
    root = str(Path(__file__).resolve().parents[2])
    code = _BOMB.format(root=root, path=str(path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seen, _, grown = done.stdout.strip().rpartition(" ")
    return eval(seen), int(grown)


def test_dictionary_of_one_long_text_stays_small(tmp_path: Path) -> None:
    """A file of a few kB that stands for 200 texts of 8 MB needs little memory."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 200, pa.int32()), pa.array(["x" * (8 << 20)]))
    path = _write(tmp_path, pa.table({"text": texts}), compression="zstd")
    assert path.stat().st_size < 100_000
    seen, grown = _measure(path)
    assert seen == {None: 200}
    assert grown < 300


def test_text_over_the_limit_is_too_large(tmp_path: Path) -> None:
    """A text over the limit is set aside, and its neighbours are not."""
    for coded in (True, False):
        path = _write(tmp_path, pa.table({"text": ["fine", "x" * 50, "ü" * 26]}), use_dictionary=coded)
        rows = read_all(path, config=Config(max_document=49)).to_pylist()
        assert [row["reason"] for row in rows] == [None, "too-large", "too-large"]


def test_page_of_160_megabytes_is_not_unpacked(tmp_path: Path) -> None:
    """A file of some kB whose one text has 160 MB is one too-large row, and little memory is taken."""
    path = _write(tmp_path, pa.table({"text": ["x" * (160 << 20)]}), compression="zstd", use_dictionary=False)
    seen, grown = _measure(path)
    assert seen == {"too-large": 1}
    assert grown < 200


def test_list_of_a_billion_is_not_unpacked(tmp_path: Path) -> None:
    """A list of very many equal numbers, which costs nothing in the file, is refused before it is unpacked."""
    values = pa.ListArray.from_arrays([0, 40_000_000], pa.nulls(40_000_000, pa.int8()))
    path = _write(tmp_path, pa.table({"text": ["x"], "n": values}), compression="zstd", data_page_size=1 << 30)
    assert path.stat().st_size < 100_000
    seen, grown = _measure(path)
    assert seen == {"too-large": 1}
    assert grown < 200


NESTED = pa.table(
    {
        "text": ["The river rose.", None, "It fell on Tuesday."] * 3,
        "id": [str(number) for number in range(9)],
        "tags": [["a", "b"], [], None] * 3,
        "n": list(range(9)),
        "place": [{"x": 1, "name": "quay"}] * 9,
    }
)


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False, "compression": "zstd", "write_page_index": True}])
def test_footer_says_what_arrow_says(options: dict[str, object], tmp_path: Path) -> None:
    """Where column chunks lie is read from the footer as Arrow reads it."""
    path = _write(tmp_path, NESTED, row_group_size=4, **options)
    about = pq.ParquetFile(path).metadata
    with path.open("rb") as raw:
        found = column_chunks(raw, about.num_row_groups, about.num_columns)
    for group in range(about.num_row_groups):
        for column in range(about.num_columns):
            chunk, own = about.row_group(group).column(column), found[group, column]
            assert (own[TYPE] == BYTE_ARRAY) == (chunk.physical_type == "BYTE_ARRAY")
            assert own[STORED] == chunk.total_compressed_size
            assert own[DATA] == chunk.data_page_offset
            assert own[DICTIONARY] == (chunk.dictionary_page_offset if chunk.has_dictionary_page else UNKNOWN)


def test_column_that_contradicts_the_schema(tmp_path: Path) -> None:
    """A chunk with the level counts of another type is one row, and the process lives on: Arrow alone would end it."""
    path = _write(tmp_path, pa.table({"text": ["a story", None]}))
    optional, required = b"\x15\x0c\x25\x02\x18\x04text", b"\x15\x0c\x25\x00\x18\x04text"
    data = path.read_bytes()
    assert data.count(optional) == 1
    path.write_bytes(data.replace(optional, required))
    assert _measure(path)[0] == {"invalid-parquet": 1}


@pytest.mark.parametrize("claimed", [-21, 0, 3, 31])
def test_row_group_of_another_number_of_rows(claimed: int, tmp_path: Path) -> None:
    """A row group that claims more rows, fewer, or less than none is told, and no two records have one position."""
    path = _write(tmp_path, pa.table({"text": [f"story {n}" for n in range(60)]}), row_group_size=20)
    # Two fields of a row group: its 20 rows, and the head of where its columns begin.
    data, rows = path.read_bytes(), bytes([0x16, 20 * 2, 0x26])
    assert data.count(rows) == 3
    second = data.index(rows, data.index(rows) + 1)
    path.write_bytes(data[: second + 1] + bytes([(claimed << 1 ^ claimed >> 63) & 0x7F]) + data[second + 2 :])
    found = read_all(path).to_pylist()
    places = [row["origin"]["index"] for row in found]
    assert len(set(places)) == len(places)
    assert [row["reason"] for row in found].count(None) >= 40
    assert {row["reason"] for row in found} in ({None, "invalid-parquet"}, {None, "truncated"})


def test_no_damage_to_a_footer_ends_the_process(tmp_path: Path) -> None:
    """A file with any byte of its footer changed gives rows, whatever they are."""
    path = _write(tmp_path, NESTED, row_group_size=4)
    data = path.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for number, place in enumerate(range(footer, len(data) - 4, 5)):
        path.with_name(f"{number}.parquet").write_bytes(
            data[:place] + bytes([data[place] ^ 1 << number % 8]) + data[place + 1 :]
        )
    seen, _ = _measure(tmp_path)
    assert sum(seen.values()) >= number


@pytest.mark.parametrize("plaintext_footer", [True, False])
def test_encrypted_file_is_told(plaintext_footer: bool, tmp_path: Path) -> None:
    """A file that is encrypted, as a whole or in some columns, is one row that says so."""
    encryption = pytest.importorskip("pyarrow.parquet.encryption", reason="this pyarrow has no encryption")

    class Keys(encryption.KmsClient):  # type: ignore[misc, name-defined]
        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
            return f"{master_key_identifier}:{key_bytes.hex()}".encode()

    factory = encryption.CryptoFactory(lambda _: Keys())
    settings = encryption.EncryptionConfiguration(
        footer_key="f", column_keys={"c": ["text"]}, plaintext_footer=plaintext_footer
    )
    keys = factory.file_encryption_properties(encryption.KmsConnectionConfig(), settings)
    table = pa.table({"text": ["a story"], "id": ["1"]})
    with pq.ParquetWriter(tmp_path / "a.parquet", table.schema, encryption_properties=keys) as writer:
        writer.write_table(table)
    [row] = read_all(tmp_path / "a.parquet").to_pylist()
    assert row["reason"] == "invalid-parquet"
    assert "encrypted" in row["detail"]


def test_fields_of_one_name(tmp_path: Path) -> None:
    """Two fields of a struct may have one name: both values are kept, the later under a name of its own."""
    twins = pa.StructArray.from_arrays(
        [pa.array([1, 2, None]), pa.array(["a", None, "c"])], names=["x", "x"], mask=pa.array([False, False, True])
    )
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 1, 3]), twins, mask=pa.array([False, True, False]))
    path = _write(tmp_path, pa.table({"text": ["one", "two", "three"], "twins": twins, "lists": lists}))
    found = [json.loads(row["metadata"]) if row["metadata"] else None for row in read_all(path).to_pylist()]
    assert found[0] == {"lists": [{"x": 1, "x_": "a"}], "twins": {"x": 1, "x_": "a"}}
    assert found[1] == {"twins": {"x": 2}}
    assert found[2] is not None
    assert found[2]["lists"][0] == {"x": 2}
