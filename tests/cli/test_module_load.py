"""Loading without a search for garbage, which goes on afterwards."""

import gc

import pytest

from chatkeep.cli.module_load import loading


def test_garbage_is_looked_for_again_afterwards_but_not_in_what_was_loaded() -> None:
    assert gc.isenabled()
    with loading():
        assert not gc.isenabled()
        loaded = [object()]
        tracked = any(each is loaded for each in gc.get_objects())
    assert tracked
    assert gc.isenabled()
    assert not any(each is loaded for each in gc.get_objects())


def test_what_fails_to_load_turns_nothing_off() -> None:
    with pytest.raises(ImportError), loading():
        raise ImportError("no such module")
    assert gc.isenabled()


def test_where_it_is_off_it_stays_off() -> None:
    gc.disable()
    try:
        with loading(), loading():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
