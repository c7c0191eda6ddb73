"""Which servers of an address are wanted for reads, and which settings its options name."""

import pytest

from chatkeep.database.libpq.address import DatabaseAddress, standby_url


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("-c work_mem=8MB", ("work_mem",)),
        ("-cwork_mem=8MB --lock-timeout=5s", ("work_mem", "lock_timeout")),
        (r"-c application_name=a\ -c\ b=c -c geqo=off", ("application_name", "geqo")),
        ("-c my.own=1 -c my.own=2", ("my.own",)),
        ("", ()),
    ],
)
def test_options_name_settings(options: str, names: tuple[str, ...]) -> None:
    keyword = options.replace("\\", "\\\\")
    address = f"host=db dbname=chatkeep user=chatkeep options='{keyword}'"
    assert DatabaseAddress.parse(address, {}).option_names == names


def test_of_several_hosts_whose_kind_is_left_open_the_standbys_are_wanted() -> None:
    several = "postgresql://chatkeep:secret@db1:5432,db2:5433/chatkeep"
    assert DatabaseAddress.parse(standby_url(several), {}).session_attributes == "standby"
    assert DatabaseAddress.parse(standby_url(several), {}).password == "secret"
    for kept in (
        "postgresql://chatkeep@db1/chatkeep",
        f"{several}?target_session_attrs=prefer-standby",
        f"{several}?target_session_attrs=any",
    ):
        assert standby_url(kept) == kept
