"""What many look at is counted once for some seconds, and for longer where counting takes long."""

from __future__ import annotations

import time
from itertools import count

from connector.web.remembered import Remembered


def test_a_value_is_counted_once_for_all_who_look_within_its_time() -> None:
    numbers = count()
    value = Remembered(60.0, lambda: next(numbers))
    assert [value.get(), value.get()] == [0, 0]


def test_a_value_that_is_too_old_is_counted_again() -> None:
    numbers = count()
    value = Remembered(0.0, lambda: next(numbers))
    assert value.get() == 0
    time.sleep(0.05)
    assert value.get() == 1


def test_what_takes_long_to_count_is_remembered_ten_times_as_long() -> None:
    numbers = count()

    def slowly() -> int:
        time.sleep(0.2)
        return next(numbers)

    value = Remembered(0.0, slowly)
    before = value.get()
    time.sleep(0.3)
    assert value.get() == before
