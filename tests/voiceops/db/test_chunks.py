from voiceops.db.chunks import STATEMENT_CHUNK_VALUES, chunked


def test_values_are_split_in_order() -> None:
    chunks = list(chunked([1, 2, 3, 4, 5], 2))

    assert chunks == [[1, 2], [3, 4], [5]]


def test_no_values_give_no_chunk() -> None:
    assert list(chunked([])) == []


def test_six_columns_of_a_chunk_fit_into_a_statement_of_sqlite() -> None:
    assert 6 * STATEMENT_CHUNK_VALUES <= 32_766
