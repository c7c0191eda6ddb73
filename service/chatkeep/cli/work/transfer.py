"""Imports and exports in the terminal, with a bar that shows how far they are."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import cast
from uuid import UUID

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.chat.files.store import FileStore
from chatkeep.chat.history.lookups import require_record
from chatkeep.chat.records import ConversationRecord
from chatkeep.cli.audit_recorder import require_reason
from chatkeep.cli.database import CommandDatabase
from chatkeep.cli.terminal.output import answer_json, errors, escape_terminal, print_info, results
from chatkeep.cli.work.import_files import opened_in_groups, size_of
from chatkeep.cli.work.import_owners import ask_owners
from chatkeep.cli.work.users import require_user_by_name
from chatkeep.clock import utc_now
from chatkeep.config import Settings
from chatkeep.database.database import Database
from chatkeep.errors import NotFound, SeveralOwners
from chatkeep.transfer.archive import NamedFile
from chatkeep.transfer.export_formats import (
    ACCOUNT_FORMATS,
    CONVERSATION_FORMATS,
    AccountFormat,
    ConversationFormat,
    Export,
)
from chatkeep.transfer.importer import import_files
from chatkeep.transfer.outcomes import Imported

STYLES = {"imported": "green", "continued": "green", "skipped": "dim", "failed": "red"}


def import_into(
    database: CommandDatabase,
    username: str,
    paths: Sequence[Path],
    owners: Sequence[str],
    *,
    as_json: bool,
    reason: str | None,
) -> bool:
    """Import files and report each conversation; return whether all of them are there now.

    Args:
        paths: files, folders of files, and `-` for the standard input.
        owners: of files of several people: whose conversations are imported.

    Raises:
        NotFound: there is no user of that name.
        SeveralOwners: the files are of several people, `owners` is empty, and nobody at a terminal says whose.
        UnknownImportFormat: nothing in the files can be imported.
    """
    counts: Counter[str] = Counter()
    with _progress() as progress:

        def run(files: Sequence[NamedFile], owners: Sequence[str]) -> "Counter[str]":
            return database.run_on_record(
                lambda connected, audit: _imported(
                    connected, audit, database.settings, username, files, owners, progress, as_json=as_json
                ),
                reason=reason,
            )

        for files in opened_in_groups(paths):
            try:
                counts += run(files, owners)
            except SeveralOwners as error:
                # Whose are meant is asked for once; of files that come later it is known.
                owners = ask_owners(error.owners, progress)
                if not owners:
                    raise
                counts += run(files, owners)
    print_info(_summary(counts))
    return not counts["failed"]


def _summary(counts: "Counter[str]") -> str:
    told = f"{counts['imported']} imported, {counts['skipped']} skipped, {counts['failed']} failed"
    if not counts["continued"]:
        return told
    conversations = "1 conversation" if counts["continued"] == 1 else f"{counts['continued']} conversations"
    turns = "1 turn" if counts["turns_added"] == 1 else f"{counts['turns_added']} turns"
    return f"{told}; {conversations} continued, {turns} added"


def export_of(
    database: CommandDatabase,
    username: str,
    reason: str | None,
    file_format: str,
    *,
    conversation_id: UUID | None,
    language: str,
) -> None:
    """Print a user's history, or one conversation, and before that put on record that an operator took it.

    Args:
        file_format: one of `ACCOUNT_FORMATS`, or of `CONVERSATION_FORMATS` with a conversation.
        language: of pages.

    Raises:
        AuditReasonRequired: no reason is given where one has to be.
        NotFound: there is no user of that name, or no such conversation of theirs.
    """
    require_reason(database.settings, reason)
    database.run_on_record(
        lambda connected, audit: _exported(
            connected, audit, database.settings, username, file_format, conversation_id, language
        ),
        reason=reason,
    )


async def _imported(
    database: Database,
    audit: Recorder,
    settings: Settings,
    username: str,
    files: Sequence[NamedFile],
    owners: Sequence[str],
    progress: Progress,
    *,
    as_json: bool,
) -> "Counter[str]":
    user_id = await _user_id(database, username)
    counts: Counter[str] = Counter()
    size = sum(map(size_of, files))
    max_bytes = max(settings.max_import_bytes, size)
    bar = progress.add_task("Importing", total=size)
    outcomes = import_files(
        database,
        user_id,
        files,
        audit=audit,
        clock=utc_now,
        max_bytes=max_bytes,
        advance=lambda: progress.update(bar, completed=sum(each.file.tell() for each in files)),
        store=_file_store(database, settings),
        owners=owners,
        asks=True,
    )
    try:
        async for outcome in outcomes:
            counts[outcome.outcome] += 1
            counts["turns_added"] += outcome.turns_added
            _report(outcome, as_json=as_json)
    except asyncio.CancelledError:
        print_info(
            f"Interrupted. {counts['imported']} conversations were imported and stay. Import the file again to "
            "continue."
        )
        raise
    progress.update(bar, completed=size)
    return counts


async def _exported(
    database: Database,
    audit: Recorder,
    settings: Settings,
    username: str,
    file_format: str,
    conversation_id: UUID | None,
    language: str,
) -> None:
    user_id = await _user_id(database, username)
    export = Export(_file_store(database, settings), user_id, language, utc_now())
    details: dict[str, str] = {"format": file_format}
    if conversation_id is None:
        exported = ACCOUNT_FORMATS[cast("AccountFormat", file_format)].write(export)
    else:
        conversation = await _conversation(database, user_id, conversation_id)
        exported = CONVERSATION_FORMATS[cast("ConversationFormat", file_format)].write(export, conversation)
        details["conversation_id"] = str(conversation_id)
    async with database.transaction() as connection:
        # A reading of what somebody else wrote, which the user finds in the access log.
        await audit.record(connection, Action.HISTORY_EXPORTED, user_id, **details)
    with _progress() as progress:
        bar = progress.add_task("Exporting", total=None)
        async with aclosing(exported) as chunks:
            async for chunk in chunks:
                sys.stdout.buffer.write(chunk)
                progress.advance(bar, len(chunk))


async def _conversation(database: Database, user_id: UUID, conversation_id: UUID) -> ConversationRecord:
    try:
        return await require_record(database, user_id, conversation_id)
    except NotFound:
        raise NotFound(f"This user has no conversation {conversation_id}.") from None


def _file_store(database: Database, settings: Settings) -> FileStore:
    return FileStore(database, utc_now, max_bytes=settings.max_file_bytes, quota_bytes=settings.file_quota_bytes)


async def _user_id(database: Database, username: str) -> UUID:
    async with database.transaction() as connection:
        user_id: UUID = (await require_user_by_name(connection, username)).id
    return user_id


def _report(outcome: Imported, *, as_json: bool) -> None:
    if as_json:
        told_whole = asdict(outcome) | {"files_left_out": outcome.files_left_out}
        answer_json(json.dumps(told_whole, ensure_ascii=False, default=str))
        return
    told: list[str | tuple[str, str]] = [
        (f"{outcome.outcome:<8}", STYLES[outcome.outcome]),
        "  ",
        escape_terminal(outcome.source_id),
    ]
    if outcome.outcome == "imported":
        turns = "1 turn" if outcome.turn_count == 1 else f"{outcome.turn_count} turns"
        told.append(f"  {turns}  {escape_terminal(outcome.title or '')}")
        told.append((f"  {outcome.kept_aside} set aside in its metadata", "dim") if outcome.kept_aside else "")
    elif outcome.outcome == "continued":
        turns = "1 turn" if outcome.turns_added == 1 else f"{outcome.turns_added} turns"
        told.append(f"  {turns} added  {escape_terminal(outcome.title or '')}")
    elif outcome.files_added:
        told.append(f"  {_files(outcome.files_added)} added")
    elif outcome.reason:
        told.append(f"  {escape_terminal(outcome.reason)}")
    results.print(Text.assemble(*told), soft_wrap=True)
    for each in outcome.left_out:
        line = f"          without {escape_terminal(each.name)}: {escape_terminal(each.reason)}"
        results.print(Text(line, style="yellow"), soft_wrap=True)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal,
        # Only a terminal shows both; what goes into a file goes there.
        redirect_stdout=results.is_terminal,
    )
