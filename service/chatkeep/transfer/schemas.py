"""The answer of an import."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from chatkeep.http.schemas import Answer
from chatkeep.transfer.outcomes import Imported

MAX_LISTED = 10_000
MAX_OWNERS = 100


class FailedConversation(Answer):
    source_id: Annotated[str, Field(description="Its id where it comes from, or its place in the file: `#12`.")]
    reason: str


class ImportedConversation(Answer):
    source_id: str
    conversation_id: UUID
    title: str | None
    turn_count: int
    kept_aside: Annotated[int, Field(description="How many messages without a place in a turn are in its metadata.")]
    files_left_out: Annotated[int, Field(description="How many files of its turns are missing or could not be kept.")]


class LeftOutFile(Answer):
    """A file of an imported conversation that is a name alone here."""

    source_id: Annotated[str, Field(description="Of its conversation.")]
    name: str
    reason: str


class Owner(BaseModel):
    """A user of the other program, and how many of the conversations are theirs."""

    owner: str
    conversations: int


class ImportReport(BaseModel):
    """What became of a file's conversations."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    imported: int = 0
    continued: Annotated[int, Field(description="Imported before, and longer in this file.")] = 0
    turns_added: Annotated[int, Field(description="To the conversations that were continued.")] = 0
    skipped: Annotated[int, Field(description="Imported before, or begun here.")] = 0
    files_added: Annotated[
        int, Field(description="How many files came to conversations that were imported before without them.")
    ] = 0
    failed: list[FailedConversation] = Field(default_factory=list)
    conversations: Annotated[
        list[ImportedConversation],
        Field(description=f"What was imported or continued; the first {MAX_LISTED} of it."),
    ] = Field(default_factory=list)
    left_out: Annotated[
        list[LeftOutFile], Field(description=f"Files that were not kept, and why; the first {MAX_LISTED} of them.")
    ] = Field(default_factory=list)
    owners: Annotated[
        list[Owner],
        Field(
            description="Whose the conversations are where they come from. More than one: an administrator's export. "
            f"At most {MAX_OWNERS}."
        ),
    ] = Field(default_factory=list)

    def add(self, outcome: Imported) -> None:
        if outcome.outcome == "failed":
            self.failed.append(FailedConversation(source_id=outcome.source_id, reason=outcome.reason or ""))
            return
        self._add_owner(outcome)
        if outcome.outcome == "skipped":
            self.skipped += 1
            self.files_added += outcome.files_added
            self._add_left_out(outcome)
        else:
            self.imported += outcome.outcome == "imported"
            self.continued += outcome.outcome == "continued"
            self.turns_added += outcome.turns_added
            if len(self.conversations) < MAX_LISTED:
                self.conversations.append(ImportedConversation.model_validate(outcome))
            self._add_left_out(outcome)

    def _add_owner(self, outcome: Imported) -> None:
        if outcome.owner is None:
            return
        known = next((each for each in self.owners if each.owner == outcome.owner), None)
        if known is None and len(self.owners) < MAX_OWNERS:
            known = Owner(owner=outcome.owner, conversations=0)
            self.owners.append(known)
        if known is not None:
            known.conversations += 1

    def _add_left_out(self, outcome: Imported) -> None:
        for each in outcome.left_out[: MAX_LISTED - len(self.left_out)]:
            self.left_out.append(LeftOutFile(source_id=outcome.source_id, name=each.name, reason=each.reason))
