"""How far a standby is behind, by notes of where its primary was."""

import math

from chatkeep.database.lag import Lag


def noted(*places: int) -> Lag:
    """Return the notes of a primary that was at these places at 0, 1, 2 … seconds."""
    lag = Lag()
    for at, place in enumerate(places):
        lag.note(float(at), place)
    return lag


def test_what_has_reached_the_newest_note_is_as_old_as_that() -> None:
    lag = noted(100, 200, 300)
    assert (lag.seconds(2.5, 300), lag.seconds(2.5, 350)) == (0.5, 0.5)


def test_what_has_reached_an_older_note_is_as_old_as_that() -> None:
    lag = noted(100, 200, 300)
    assert (lag.seconds(2.5, 299), lag.seconds(2.5, 100)) == (1.5, 2.5)


def test_while_nothing_is_written_nothing_is_behind() -> None:
    assert noted(100, 100, 100).seconds(2.5, 100) == 0.5


def test_what_is_behind_all_notes_may_be_behind_for_ever() -> None:
    assert noted(100, 200).seconds(1.0, 99) == math.inf
    assert Lag().seconds(1.0, 99) == math.inf


def test_notes_of_a_primary_that_is_gone_say_nothing_of_the_next() -> None:
    lag = noted(100, 300, 250)
    assert (lag.seconds(2.5, 240), lag.seconds(2.5, 260)) == (math.inf, 0.5)
