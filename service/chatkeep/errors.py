"""The one tree of errors that this package raises on purpose.

The families say what went wrong in the domain's words; `chatkeep.http.problems` renders them as
`application/problem+json` and the command line as one sentence. Neither shows anything but `detail`,
so `detail` is written for a person and never holds SQL, a secret or another user's data.
"""

from collections.abc import Mapping
from typing import ClassVar


class ChatkeepError(Exception):
    """The root of every error here.

    Args:
        detail: one or two sentences for a person: what happened and what to do next.
        fields: further members of the answer, such as the id of the turn in the way.
    """

    code: ClassVar[str] = "internal_error"

    def __init__(self, detail: str, **fields: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields: Mapping[str, object] = fields


class Invalid(ChatkeepError):
    """The request cannot be carried out as it is written."""

    code = "invalid_request"


class InvalidText(Invalid):
    """Text that PostgreSQL cannot keep: U+0000 or a lone surrogate."""

    code = "invalid_text"


class InvalidCursor(Invalid):
    code = "invalid_cursor"


class WeakPassword(Invalid):
    code = "weak_password"


class NothingToFind(Invalid):
    """A search for punctuation alone."""

    code = "nothing_to_find"


class IdempotencyKeyReused(Invalid):
    code = "idempotency_key_reused"


class UnknownImportFormat(Invalid):
    """A file that no format of ours fits."""

    code = "unknown_import_format"


class FileTypeNotAllowed(Invalid):
    """Neither a picture, a PDF nor a text."""

    code = "file_type_not_allowed"


class FileMissing(Invalid):
    """A form that is to hold a file, and holds none."""

    code = "file_missing"


class FileTooLarge(ChatkeepError):
    """A file, or what is sent as one, is longer than one may be."""

    code = "file_too_large"


class NotAuthenticated(ChatkeepError):
    """Nobody is signed in, or the session or token has ended."""

    code = "not_authenticated"


class InvalidCredentials(NotAuthenticated):
    """Unknown name or wrong password; which of the two is never said."""

    code = "invalid_credentials"


class Forbidden(ChatkeepError):
    """Signed in, and not allowed."""

    code = "forbidden"


class RegistrationClosed(Forbidden):
    code = "registration_closed"


class GuestNotAllowed(Forbidden):
    """It takes an account, and a guest has none yet."""

    code = "guest_not_allowed"


class UntrustedIdentity(Forbidden):
    """A request names its user, and does not come from the server that may say so."""

    code = "untrusted_identity"


class InsufficientScope(Forbidden):
    """An access token lacks a scope, whatever its owner may do.

    Args:
        scope: the missing scope; several, with blanks between them, where they are needed together.
    """

    code = "insufficient_scope"

    def __init__(self, detail: str, *, scope: str) -> None:
        super().__init__(detail, scope=scope)


class CrossSiteRequest(Forbidden):
    code = "cross_site_request"


class FileQuotaReached(Forbidden):
    """The files of one user take as much room as they may."""

    code = "file_quota_reached"


class NotFound(ChatkeepError):
    """Missing, or someone else's: the two are one answer."""

    code = "not_found"

    def __init__(self, detail: str = "There is nothing here, or it is not yours.", **fields: object) -> None:
        super().__init__(detail, **fields)


class Conflict(ChatkeepError):
    """The request is right, and something stands in its way."""

    code = "conflict"


class UsernameTaken(Conflict):
    code = "username_taken"


class LegalHold(Conflict):
    """An account's data is under legal hold and may not be deleted."""

    code = "legal_hold"


class LinkEnded(Conflict):
    """A link that sets a password was used, replaced or too old; or it never was one, which is not told apart."""

    code = "link_ended"


class LastAdministrator(Conflict):
    code = "last_administrator"


class IsGuest(Conflict):
    """An act on an account was asked for on a guest."""

    code = "is_guest"


class TooManyTokens(Conflict):
    """The account has as many access tokens as it may have."""

    code = "too_many_tokens"


class TooManyPins(Conflict):
    """As many conversations are pinned as may be."""

    code = "too_many_pins"


class NoPassword(Conflict):
    """The account has none: a server in front signs it in."""

    code = "no_password"


class TurnInProgress(Conflict):
    code = "turn_in_progress"


class NothingToContinue(Conflict):
    """The turn's reply was not cut off."""

    code = "nothing_to_continue"


class FileInUse(Conflict):
    """A turn refers to the file."""

    code = "file_in_use"


class SeveralOwners(Conflict):
    """A file holds the conversations of several people, and nobody has said whose are meant.

    Args:
        owners: by their names in the other program, how many conversations each has.
    """

    code = "several_owners"

    def __init__(self, detail: str, owners: Mapping[str, int]) -> None:
        super().__init__(detail)
        self.owners = owners


class AuditReasonRequired(ChatkeepError):
    """The service demands a reason before it shows somebody else's history."""

    code = "audit_reason_required"


class TooMany(ChatkeepError):
    """A limit was reached.

    Args:
        retry_after_seconds: when another try has a chance.
    """

    code = "too_many_requests"

    def __init__(self, detail: str, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class TooManyAttempts(TooMany):
    code = "too_many_attempts"


class TooManyGenerations(TooMany):
    code = "too_many_generations"


class TooManyImports(TooMany):
    code = "too_many_imports"


class TooManyUploads(TooMany):
    code = "too_many_uploads"


class UploadTooSlow(ChatkeepError):
    """A file stopped coming, or comes slower than anyone sends one."""

    code = "upload_too_slow"


class Unavailable(ChatkeepError):
    """Something this service stands on does not answer; a later try may work."""

    code = "service_unavailable"


class Busy(Unavailable):
    """Another process is doing it."""


class ModelsUnknown(Unavailable):
    """The model server does not list its models just now, and none is named in the settings."""

    code = "models_unavailable"


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"


class ReadOnlyDatabase(DatabaseUnavailable):
    """The database takes no changes: it is a standby, or was made read-only."""

    def __init__(self) -> None:
        super().__init__(
            "The database is read-only for now: it is a standby, or was made read-only. Nothing was lost; try again "
            "in a moment."
        )


class DatabaseFull(DatabaseUnavailable):
    """The disk of the database is full."""

    def __init__(self) -> None:
        super().__init__(
            "The database's disk is full, so nothing more can be saved. Nothing that was acknowledged is lost. Free "
            "some space there, and try again."
        )


class MissingPrivilege(DatabaseUnavailable):
    """A right at the database that the service needs was taken from its role, or never given."""

    def __init__(self) -> None:
        super().__init__(
            "The database no longer lets the service do this. Its administrator has to grant the service's role its "
            "rights on the tables. Nothing was lost."
        )


class PoolerExhausted(DatabaseUnavailable):
    """A pooler between the service and the database has no free connection for it."""

    def __init__(self) -> None:
        super().__init__(
            "The pooler in front of the database has no free connection. Raise its limit (default_pool_size in "
            "PgBouncer): session mode needs CHATKEEP_DATABASE_POOL_SIZE for each process of the service, and a "
            "few more for commands."
        )


class QueryTooSlow(Unavailable):
    """An administrator's query took longer than it may."""

    code = "query_too_slow"


class StartUpError(ChatkeepError):
    """The service refuses to start, or a command to run, until someone changes something."""

    code = "start_up_refused"


class ConfigurationError(StartUpError):
    """A setting is missing, unsafe or contradicts another."""


class AnotherSigningKey(ConfigurationError):
    """The database was used with another signing key than the one that is set."""

    def __init__(self, remedy: str = "old,new to replace it") -> None:
        super().__init__(
            "This database was used with another signing key: set CHATKEEP_SECRET_KEY to that one, or to "
            f"{remedy}; if the old key is lost, run `chatkeep audit seal --reason 'the key is lost'`."
        )


class EmbeddedServerError(StartUpError):
    """The embedded PostgreSQL cannot be found, started or reached."""


class MigrationError(StartUpError):
    """The database is not at the revision that this version of the code needs."""


class BackupError(StartUpError):
    """A backup cannot be made or restored."""


class UnsafeDatabase(StartUpError):
    """The database may forget what it has acknowledged."""
