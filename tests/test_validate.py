"""Validation: columns first, pydantic for the rows that fail."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.records import DOCUMENTS, RECORDS
from pipeline.validate import Document, Origin, explain, validate

SHA = "0" * 64
GOOD: dict[str, Any] = {
    "id": "a1",
    "text": "Body.",
    "captions": [],
    "word_count": 1,
    "removed_ratio": 0.5,
    "flags": [],
    "raw_sha256": SHA,
    "origin": {"uri": "a.txt", "index": 0, "text_sha256": SHA},
}


def batch_of(*rows: dict[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{**GOOD, **row} for row in rows], schema=RECORDS)


FAULTS = [
    {"id": ""},
    {"id": None},
    {"id": "x" * 2_000},
    {"title": ""},
    {"url": "u" * 20_000},
    {"language": "english!"},
    {"text": ""},
    {"text": None},
    {"captions": ["fine", ""]},
    {"word_count": 0},
    {"removed_ratio": 1.5},
    {"removed_ratio": float("nan")},
    {"flags": ["no-such-flag"]},
    {"metadata": "[1]"},
    {"metadata": "{broken"},
    {"raw_sha256": "abc"},
    {"raw_sha256": None},
    {"origin": {"uri": "", "index": 0, "text_sha256": SHA}},
    {"origin": {"uri": "a", "index": -1, "text_sha256": SHA}},
    {"origin": {"uri": "a", "index": 0, "text_sha256": None}},
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_row_that_does_not_fit_is_set_aside_with_the_pydantic_error(fault: dict[str, Any]) -> None:
    """The bad row is quarantined and says which field is wrong; its neighbour is untouched."""
    out = validate(batch_of({}, fault)).to_pylist()
    assert (out[0]["outcome"], out[0]["reason"]) == (None, None)
    assert (out[1]["outcome"], out[1]["reason"]) == ("quarantine", "invalid-record")
    assert next(iter(fault)) in out[1]["detail"]


def origin(**values: object) -> dict[str, Any]:
    return {"origin": {**GOOD["origin"], **values}}


# What just fits, and what just does not.
EDGES = [
    ({"id": "i" * 1_024}, {"id": "i" * 1_025}),
    ({"id": "é" * 1_024}, {"id": "é" * 1_025}),
    *(({name: "n" * 10_000}, {name: "n" * 10_001}) for name in ("source", "url", "title", "byline")),
    ({"title": "é" * 10_000}, {"title": "é" * 10_001}),
    *(({name: "n"}, {name: ""}) for name in ("id", "source", "url", "title", "byline", "text")),
    ({"language": "de"}, {"language": "d"}),
    ({"language": "yue"}, {"language": "yuex"}),
    ({"language": "de-AT-abcdefgh-1"}, {"language": "de-abcdefghi"}),
    ({"language": None}, {"language": ""}),
    ({"captions": ["a"]}, {"captions": [""]}),
    ({"captions": None}, {"captions": [None]}),
    ({"word_count": 1}, {"word_count": 0}),
    ({"removed_ratio": 0.0}, {"removed_ratio": -0.001}),
    ({"removed_ratio": 1.0}, {"removed_ratio": 1.001}),
    ({"flags": ["heavy-removal"]}, {"flags": ["heavy"]}),
    ({"metadata": "{}"}, {"metadata": "null"}),
    ({"raw_sha256": "0123456789abcdef" * 4}, {"raw_sha256": "0123456789abcdeg" * 4}),
    ({"raw_sha256": "a" * 64}, {"raw_sha256": "A" * 64}),
    (origin(uri="u"), origin(uri="")),
    (origin(index=0), origin(index=-1)),
    (origin(text_sha256="f" * 64), origin(text_sha256="f" * 63)),
    (origin(member=None), origin(uri=None)),
]


@pytest.mark.parametrize(("fits", "too_much"), EDGES, ids=lambda row: next(iter(row)))
def test_the_edges_are_where_they_are_said_to_be(fits: dict[str, Any], too_much: dict[str, Any]) -> None:
    """One character, one word or one thousandth more, and a row is set aside."""
    assert validate(batch_of(fits, too_much, fits)).column("outcome").to_pylist() == [None, "quarantine", None]
    assert explain(batch_of(fits), 0) is None


def test_a_batch_that_fits_is_passed_on_as_it_is() -> None:
    """Nothing is copied or asked of pydantic."""
    batch = batch_of({}, {})
    assert validate(batch) is batch


def test_rows_without_what_may_be_missing_are_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most records have no title, URL or language: the columns alone say that they fit, pydantic would take minutes."""
    monkeypatch.setattr("pipeline.validate.explain", None)
    batch = batch_of(dict.fromkeys(("source", "url", "title", "byline", "language", "metadata", "captions")))
    assert validate(batch) is batch


@given(
    st.lists(st.sampled_from([*'{}[]:,"\\0123-.eE', '"a"', '"b":1', "true", "null", "\n", "é", "\u0000"]), max_size=9)
)
def test_metadata_is_what_json_says_it_is(pieces: list[str]) -> None:
    """Whatever stands in the metadata, the check of the column takes it for an object where the parser does."""
    text = "".join(pieces)
    for metadata in (text, f"{{{text}}}"):
        try:
            is_object = isinstance(json.loads(metadata), dict)
        except ValueError:
            is_object = False
        assert validate(batch_of({"metadata": metadata})).column("outcome")[0].is_valid != is_object


def test_metadata_that_only_looks_like_an_object_is_found() -> None:
    """Braces at both ends do not make an object."""
    assert validate(batch_of({"metadata": "{not json}"})).column("outcome")[0].as_py() == "quarantine"


NAMES = st.one_of(st.none(), st.sampled_from(["", "x", "é" * 6_000, "n" * 10_001]), st.text(max_size=5))
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.one_of(st.none(), st.sampled_from(["", "é" * 600, "i" * 1_025]), st.text(max_size=4)),
        "title": NAMES,
        "source": NAMES,
        "language": st.one_of(st.none(), st.sampled_from(["en", "de-AT", "e", "en_US", "en\n"]), st.text(max_size=4)),
        "text": st.one_of(st.none(), st.text(max_size=3)),
        "captions": st.lists(st.text(max_size=2), max_size=3),
        "word_count": st.integers(-2, 3),
        "removed_ratio": st.floats(-1, 2, width=32) | st.just(float("nan")),
        "flags": st.lists(st.sampled_from(["heavy-removal", "nonsense"]), max_size=2),
        "metadata": st.one_of(st.none(), st.sampled_from(["{}", '{"a": 1}', "[]", "", "{", "null", "{x}"])),
        "raw_sha256": st.sampled_from([SHA, SHA + "\n", "g" * 64, "0" * 63]),
    },
)


@given(st.lists(ROWS, max_size=6))
def test_the_columns_and_pydantic_agree(rows: list[dict[str, Any]]) -> None:
    """A row is set aside exactly when the pydantic model refuses it, though pydantic sees only the rows in doubt."""
    batch = batch_of(*rows)
    refused = [explain(batch, row) is not None for row in range(len(batch))]
    assert [outcome == "quarantine" for outcome in validate(batch).column("outcome").to_pylist()] == refused


def test_the_model_has_the_fields_of_the_published_table() -> None:
    """The pydantic model and the Arrow schema name the same columns in the same order."""
    assert list(Document.model_fields) == DOCUMENTS.names


def test_the_models_take_no_field_that_is_not_published_and_none_is_changed() -> None:
    """A field too many is an error, and what was validated stays as it was."""
    for model, values in ((Document, GOOD), (Origin, GOOD["origin"])):
        valid = model.model_validate(values)
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            model.model_validate(values | {"other": 1})
        with pytest.raises(ValidationError, match="frozen"):
            setattr(valid, next(iter(values)), "b")


def test_a_row_is_explained_by_its_own_faults_alone() -> None:
    """All its fields that do not fit are named, in order, and none of its neighbours'."""
    batch = batch_of({"id": ""}, {"title": "", "word_count": 0, "origin": {**GOOD["origin"], "index": -1}}, {"url": ""})
    assert explain(batch, 1) == (
        "title: String should have at least 1 character; word_count: Input should be greater than or equal to 1; "
        "origin.index: Input should be greater than or equal to 0"
    )


def test_a_row_with_an_outcome_is_left_alone() -> None:
    """What was set aside before keeps its first reason."""
    row = {"outcome": "quarantine", "reason": "not-utf8", "id": None}
    assert validate(batch_of(row)).column("reason")[0].as_py() == "not-utf8"
