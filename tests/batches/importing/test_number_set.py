import random

from batches.importing.number_set import PhoneNumberSet


def test_each_number_is_new_once() -> None:
    numbers = PhoneNumberSet(["+12025550186"])

    is_new = list(numbers.add(["+12025550187", "+12025550186", "+12025550187", "+442079460000"]))

    assert is_new == [True, False, False, True]
    assert ["+12025550186" in numbers, "+12025550188" in numbers, len(numbers)] == [True, False, 3]


def test_number_set_agrees_with_a_plain_set() -> None:
    dice = random.Random(7)  # noqa: S311 - the same numbers in every run, no secret
    dense = [f"+1202{number:07}" for number in range(2_000_000, 2_030_000)]
    scattered = [f"+{dice.randrange(10**6, 10**15)}" for _ in range(20_000)]
    texts = dense + scattered + dice.choices(dense + scattered, k=10_000)
    dice.shuffle(texts)
    numbers, plain, expected = PhoneNumberSet(), set(), []
    for text in texts:
        expected.append(text not in plain)
        plain.add(text)

    is_new = list(numbers.add(texts))

    assert is_new == expected
    assert len(numbers) == len(plain)
    assert [text in numbers for text in ("+12022000000", "+12023999999", "+999")] == [
        True,
        False,
        False,
    ]
