"""Files made to cost more than they did to send: work grows with what was sent, and stays under a second a megabyte."""

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest

from chatkeep.errors import UnknownImportFormat
from chatkeep.transfer.archive import MAX_PARTS, MAX_RATIO, SMALL_UNPACKED_BYTES, values_in
from chatkeep.transfer.batch_reader import MAX_FAILURES, BatchReader
from tests.support.growth import require_proportional, require_quick
from tests.support.running_service import RunningService
from tests.transfer.upload_client import imported

MEGABYTE = 1024**2
# A second a megabyte, on a machine that is busy with other things too.
MAX_SECONDS_A_MEGABYTE = 2.0
UNITS = {
    "open lists": "[",
    "open objects": '{"a":',
    "open texts": '"',
    "broken lists": "[1 2],",
    "broken objects": "{b},",
    "broken texts in objects": '{"a" ',
    "texts with brackets": '{"[',
    "escapes": "\\",
    "escapes in texts": '"\\',
    "words": "a ",
    "one word": "a",
    "closed lists": "[[],",
    "line breaks": "\n",
    "no UTF-8": "\xff",
    "deep lists": "[" * 2000 + "]" * 2000 + ",",
    "empty conversations": '{"mapping":{},"id":"a"},',
    "one line of lines": "\n\n{}",
}


def read(file: bytes) -> int:
    """Read a file as an import does, to its end or to too many failures; return how many values it had."""
    reader = BatchReader([("", values_in(io.BytesIO(file), max_bytes=10**9))], UUID(int=1))
    count = 0
    # A file of which nothing is known is refused.
    with suppress(UnknownImportFormat):
        while count < MAX_FAILURES and (batch := reader.next_batch(datetime.now(UTC))):
            count += len(batch)
    return count


def zipped(text: bytes, packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        archive.writestr("conversations.json", text)
    return out.getvalue()


def repeated(unit: str, size: int) -> bytes:
    return b"[" + (unit * (size // len(unit))).encode("latin-1")


@pytest.mark.parametrize("name", UNITS)
def test_work_grows_with_the_file(name: str) -> None:
    def work(size: int) -> Callable[[], object]:
        file = repeated(UNITS[name], size)
        return lambda: read(file)

    require_proportional(work, MEGABYTE // 4, MAX_SECONDS_A_MEGABYTE)


def test_one_broken_value_is_looked_at_once() -> None:
    """Two megabytes of them took a minute, when each failure counted the lines before it."""

    def work(size: int) -> Callable[[], object]:
        file = repeated("[1 2],", size)
        return lambda: list(values_in(io.BytesIO(file), max_bytes=10**9))

    require_proportional(work, MEGABYTE // 2)


@pytest.mark.parametrize("name", UNITS)
def test_a_small_zip_costs_little(name: str) -> None:
    file = zipped(repeated(UNITS[name], 20 * MEGABYTE))
    assert len(file) < MEGABYTE
    require_quick(lambda: read(file), MAX_SECONDS_A_MEGABYTE)


def test_a_zip_unpacks_to_a_bounded_part_of_what_was_sent() -> None:
    unit = json.dumps("a" * 997)
    file = zipped(b"[" + f"{unit},".encode() * (30 * MEGABYTE // 1000))
    reasons = [value for _, value in values_in(io.BytesIO(file), max_bytes=10**9)]
    assert len(reasons) * 1000 <= SMALL_UNPACKED_BYTES + MAX_RATIO * len(file) + 1000
    assert "unpacks to more than" in str(reasons[-1])


def test_entries_that_lie_over_each_other_count_each_time() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations-1.json", "[" * MEGABYTE)
        entry = archive.infolist()[0]
        archive.filelist += [entry] * (MAX_PARTS - 1)
    require_quick(lambda: read(out.getvalue()), MAX_SECONDS_A_MEGABYTE)


def test_an_archive_of_very_many_empty_files_is_not_begun() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(MAX_PARTS + 1):
            archive.writestr(f"{number}/conversations.json", "")
    with pytest.raises(UnknownImportFormat, match="more than 1,000 files"):
        list(values_in(io.BytesIO(out.getvalue()), max_bytes=10**9))


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_unpack_much_in_one_step_are_refused(packing: int) -> None:
    file = zipped(json.dumps(["x" * MEGABYTE]).encode(), packing)
    (value,) = [value for _, value in values_in(io.BytesIO(file), max_bytes=10**9)]
    assert "packed in an unknown way" in str(value)


def test_reading_ends_when_it_is_told_to() -> None:
    pieces = 0

    class Left(Exception):
        pass

    def check() -> None:
        nonlocal pieces
        pieces += 1
        if pieces > 3:
            raise Left

    found = values_in(io.BytesIO(repeated("{},", 30 * MEGABYTE)), max_bytes=10**9, check=check)
    with pytest.raises(Left):
        _ = list(found)


MARKS = {
    "folds that nothing closes": '<details type="reasoning">\\n',
    "folds": '<details type="tool_calls" arguments="[[">\\n</details>\\n',
    "fences": "```\\n",
    "quotes": '<details type="reasoning">\\n> > &gt; &gt; </details>',
}


@pytest.mark.parametrize("name", MARKS)
def test_marks_in_an_answer_cost_what_their_text_does(name: str) -> None:
    def work(size: int) -> Callable[[], object]:
        unit = MARKS[name].replace('"', '\\"')
        said = f'{{"role": "assistant", "content": "{unit * (size // len(unit))}"}}'
        file = f'[{{"messages": [{said}]}}]'.encode()
        return lambda: read(file)

    require_proportional(work, MEGABYTE // 8, MAX_SECONDS_A_MEGABYTE)


NODE = '"%d": {"parent": "%d", "message": {"author": {"role": "%s"}, "recipient": "x", "content": %s}}'
ANSWERS = {
    "results without a call": ("tool", '{"text": "x"}'),
    "calls": ("assistant", '{"text": "[["}'),
    "thoughts": ("assistant", '{"content_type": "thoughts", "thoughts": [{"content": "x"}]}'),
    "summaries": ("assistant", '{"content_type": "reasoning_recap"}, "metadata": {"finished_duration_sec": 1}'),
    "canvases": ("assistant", '{"text": "{\\"content\\": \\"``\\"}"}'),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_many_messages_costs_what_they_do(name: str) -> None:
    def work(size: int) -> Callable[[], object]:
        role, content = ANSWERS[name]
        count = size // len(NODE + content)
        nodes = ",".join(NODE % (number, number - 1, role, content) for number in range(count))
        file = f'[{{"mapping": {{{nodes}}}}}]'.encode()
        return lambda: read(file)

    require_proportional(work, MEGABYTE // 8, MAX_SECONDS_A_MEGABYTE)


def test_sources_that_copy_an_answer_cost_what_they_say() -> None:
    def work(size: int) -> Callable[[], object]:
        source = f'{{"start_ix": 0, "end_ix": {size // 2}, "metadata": {{}}, "matched_text": "\\ue200x\\ue201"}}'
        sources = ",".join([source] * (size // 2 // len(source)))
        words = "\\ue200x\\ue201" * (size // 2 // 13)
        message = (
            f'{{"author": {{"role": "assistant"}}, "content": {{"parts": ["{words}"]}},'
            f' "metadata": {{"citations": [{sources}], "content_references": [{sources}]}}}}'
        )
        file = f'[{{"mapping": {{"a": {{"message": {message}}}}}}}]'.encode()
        return lambda: read(file)

    require_proportional(work, MEGABYTE // 8, MAX_SECONDS_A_MEGABYTE)


async def test_what_was_kept_aside_does_not_make_lists_long(service: RunningService) -> None:
    person = await service.person()
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    files = [
        {"id": f"{number}", "aside": f"{number}" * length, "messages": messages}
        for number, length in ((1, 9), (2, 10**6))
    ]
    made = (await imported(person, files))["conversations"]
    short, long = (each["conversation_id"] for each in made)
    listed = {each["id"]: each for each in (await person.client.get("/api/v1/conversations")).json()["items"]}
    assert listed[short] == (await person.client.get(f"/api/v1/conversations/{short}")).json()
    whole = (await person.client.get(f"/api/v1/conversations/{long}")).json()
    assert "2" * 10**6 in str(whole["metadata"].pop("import"))
    assert listed[long] == whole
