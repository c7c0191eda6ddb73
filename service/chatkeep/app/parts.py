"""The parts of a service that its settings decide: accounts, chat and the model, opened when it starts."""

from contextlib import AsyncExitStack
from typing import Protocol

import structlog

from chatkeep.accounts.accounts import Accounts, TokenLimits
from chatkeep.accounts.browser_cookies import BrowserCookie
from chatkeep.accounts.device_cookie import DeviceCookie
from chatkeep.accounts.passwords import PasswordHasher
from chatkeep.accounts.trusted_headers import TrustedHeaderAuth
from chatkeep.accounts.users import create_first_administrator
from chatkeep.app.metrics import Metrics
from chatkeep.audit.trail import AuditTrail, Origin
from chatkeep.chat.chat import Chat
from chatkeep.chat.files.store import FileStore
from chatkeep.chat.generation.registry import GenerationRegistry
from chatkeep.chat.generation.replica import Replica
from chatkeep.chat.generation.worker import Worker
from chatkeep.chat.handler import RequestHandler
from chatkeep.chat.history.store import TurnStore
from chatkeep.chat.models import DemonstrationModel, LanguageModel
from chatkeep.clock import utc_now
from chatkeep.config import Settings
from chatkeep.database.database import Database
from chatkeep.database.standby import LOOK_SECONDS, Standby
from chatkeep.http.open_streams import OpenStreams
from chatkeep.open_files import possible_generations
from chatkeep.periodic import repeat
from chatkeep.sessions import SessionLimits
from chatkeep.sessions.cookies import SESSION_SALT

log = structlog.get_logger(__name__)


class HandlerFactory(Protocol):
    """Makes the request handler: `PersistentRequestHandler`, or a subclass of it."""

    def __call__(self, turn_store: TurnStore, *, context_tokens: int) -> RequestHandler: ...


async def open_accounts(
    stack: AsyncExitStack,
    settings: Settings,
    keys: tuple[str, ...],
    database: Database,
    front_server: TrustedHeaderAuth | None,
) -> Accounts:
    hasher = PasswordHasher()
    stack.callback(hasher.close)
    await hasher.warm_up()
    trail = await AuditTrail.open(database, keys)
    if settings.admin_password is not None:
        password = settings.admin_password.get_secret_value()
        if await create_first_administrator(
            database, hasher, utc_now, trail.by(Origin("service")), settings.admin_username, password
        ):
            log.info("first_administrator_made", username=settings.admin_username)
    return Accounts(
        database=database,
        hasher=hasher,
        cookie=BrowserCookie(keys, name=settings.cookie_name, salt=SESSION_SALT, secure=settings.cookie_secure),
        device_cookie=DeviceCookie(keys, name=f"{settings.cookie_name}_device", secure=settings.cookie_secure),
        limits=SessionLimits(settings.session_idle_seconds, settings.session_max_seconds),
        clock=utc_now,
        trail=trail,
        trusted_proxies=settings.trusted_proxies,
        allow_registration=settings.allow_registration,
        max_registrations_per_hour=settings.max_registrations_per_hour,
        token_limits=TokenLimits(settings.max_access_tokens, settings.access_token_max_seconds),
        allow_guests=settings.allow_guests,
        guest_ttl_seconds=settings.guest_ttl_seconds,
        front_server=front_server,
    )


async def open_standby(stack: AsyncExitStack, settings: Settings, database: Database) -> Standby | None:
    """Return the standby of the settings; it need not answer yet.

    Raises:
        ConfigurationError: its address cannot be read.
    """
    if settings.read_database_url is None:
        return None
    standby = Standby(
        database, settings.read_database_url.get_secret_value(), max_lag_seconds=settings.read_max_lag_seconds
    )
    stack.push_async_callback(standby.close)
    repeat(stack, LOOK_SECONDS, standby.look, name="standby", at_once=True)
    return standby


async def open_chat(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    handler: HandlerFactory,
    model: LanguageModel,
    metrics: Metrics,
    streams: OpenStreams,
) -> Chat:
    stack.push_async_callback(model.close)
    flush_seconds = settings.flush_interval_ms / 1000
    replica = Replica(database, utc_now, lease_seconds=settings.lease_seconds)
    turn_store = TurnStore(
        database,
        utc_now,
        replica_id=replica.id,
        model=model,
        counted_models=settings.counted_models,
    )
    generations = GenerationRegistry(
        model, max_running=possible_generations(settings), max_waiting=settings.max_queued, observer=metrics
    )
    worker = Worker(turn_store, replica, generations, flush_seconds=flush_seconds)
    await worker.open()
    stack.push_async_callback(worker.close)
    return Chat(
        database=database,
        handler=handler(turn_store, context_tokens=settings.context_tokens),
        turn_store=turn_store,
        files=FileStore(database, utc_now, max_bytes=settings.max_file_bytes, quota_bytes=settings.file_quota_bytes),
        generations=generations,
        clock=utc_now,
        streams=streams,
        flush_seconds=flush_seconds,
    )


def model_of(settings: Settings) -> LanguageModel:
    if settings.model_url is None:
        return DemonstrationModel()
    # Its client takes a moment to load, which the demonstration need not wait for.
    from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel  # noqa: PLC0415

    return OpenAICompatibleModel.of(settings)
