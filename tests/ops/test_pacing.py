import pytest

from ops.bench.pacing import fullest_second, share_used


@pytest.mark.parametrize(
    ("times", "most"),
    [([], 0), ([5.0], 1), ([5.0, 5.999, 6.0], 2), ([1.0, 1.6, 2.1, 2.5, 9.0], 3)],
)
def test_fullest_second_is_that_of_any_window(times: list[float], most: int) -> None:
    assert fullest_second(times) == most


def test_share_used_leaves_out_the_start() -> None:
    slow_start = [0.0, 4.0]
    times = [*slow_start, *(5.0 + n / 10 for n in range(101))]

    assert share_used(times, 10.0, after=5.0) == pytest.approx(1.0)
    assert share_used(times, 20.0, after=5.0) == pytest.approx(0.5)
    assert share_used([], 10.0, after=5.0) == 0.0
