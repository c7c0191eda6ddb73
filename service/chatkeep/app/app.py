"""The application: which parts there are, and in which order they come and go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial

from anyio import to_thread
from fastapi import FastAPI

from chatkeep import __version__
from chatkeep.accounts.access_log import router as access_log_router
from chatkeep.accounts.identity import standing
from chatkeep.accounts.link_router import router as link_router
from chatkeep.accounts.router import router as accounts_router
from chatkeep.admin.audit import router as audit_router
from chatkeep.admin.erasures import router as erasures_router
from chatkeep.admin.history import router as admin_router
from chatkeep.admin.retention import router as retention_router
from chatkeep.admin.statistics import router as statistics_router
from chatkeep.admin.users import router as admin_users_router
from chatkeep.app import operations
from chatkeep.app.docs import router as docs_router
from chatkeep.app.draining import drain, drain_on_signals
from chatkeep.app.error_handlers import add_error_handlers
from chatkeep.app.lifespan import StartedOnly, guard_start
from chatkeep.app.logs import leave_logging_to_host
from chatkeep.app.loop_watch import UnderWay, watch_loop
from chatkeep.app.maintenance import (
    COUNT_SECONDS,
    RETENTION_SECONDS,
    SWEEP_SECONDS,
    WEED_SECONDS,
    cleanup,
    count,
    retain,
)
from chatkeep.app.metrics import Metrics
from chatkeep.app.middleware.body_limit import BodyLimit, PathLimit, TrailingSlash
from chatkeep.app.middleware.internal_errors import InternalErrors
from chatkeep.app.middleware.metrics_port import MetricsApart
from chatkeep.app.middleware.origins import CrossOrigin, CrossSiteCheck, HostAllowList
from chatkeep.app.middleware.request_log import RequestRecord
from chatkeep.app.openapi import describe
from chatkeep.app.parts import HandlerFactory, model_of, open_accounts, open_chat, open_standby
from chatkeep.app.trusted_proxy import trusted_proxy_of
from chatkeep.chat.admission import TurnAdmission
from chatkeep.chat.api.conversations import router as conversations_router
from chatkeep.chat.api.dependencies import is_known
from chatkeep.chat.api.files import FILES_PATH, MAX_FORM_BYTES
from chatkeep.chat.api.files import router as files_router
from chatkeep.chat.api.models import router as models_router
from chatkeep.chat.api.search import router as search_router
from chatkeep.chat.api.turns import router as turns_router
from chatkeep.chat.files.store import too_large
from chatkeep.chat.handler import PersistentRequestHandler
from chatkeep.chat.models import LanguageModel
from chatkeep.chat.models.model_names import ModelNames
from chatkeep.chatstream.router import router as chatstream_router
from chatkeep.config import Settings
from chatkeep.database.address import database_address, embedded_server
from chatkeep.database.database import Database
from chatkeep.database.migrations import require_head
from chatkeep.database.replication import check_promises
from chatkeep.errors import TooManyUploads
from chatkeep.http.open_streams import OpenStreams
from chatkeep.http.root_path import RootPath
from chatkeep.http.streams import StreamsLast
from chatkeep.http.uploads import RETRY_AFTER_SECONDS, TOO_MANY, Uploads
from chatkeep.loop_lag import LoopLag
from chatkeep.mcp.router import MCP_PATH
from chatkeep.mcp.router import router as mcp_router
from chatkeep.mcp.server import McpServer
from chatkeep.openai.errors import OpenAIErrors
from chatkeep.openai.files import FILES_PATH as OPENAI_FILES_PATH
from chatkeep.openai.routers import ROUTERS as OPENAI_ROUTERS
from chatkeep.periodic import cancelled, repeat
from chatkeep.transfer.router import IMPORT_PATH
from chatkeep.transfer.router import router as transfer_router
from chatkeep.transfer.upload import Imports
from chatkeep.ui_messages.chats import router as ui_chats_router
from chatkeep.web.rendering import load_templates
from chatkeep.web.routers import ROUTERS as WEB_ROUTERS

# Of the greatest size, of all users together.
MAX_FILES_ON_THEIR_WAY = 64


def create_app(
    settings: Settings,
    *,
    handler: HandlerFactory = PersistentRequestHandler,
    model: LanguageModel | None = None,
    owns_process: bool | None = None,
) -> FastAPI:
    """Return the application, to be served by itself or mounted in another one: see `chatkeep.app.lifespan_of`.

    Args:
        handler: your own request handler, see `chatkeep.chat.handler`.
        model: your own model; None takes the one of the settings.
        owns_process: it is all that the process is for, and may decide what SIGTERM does: it drains first. None: where
            `chatkeep serve` runs the process.

    Raises:
        ConfigurationError: a setting is missing or unsafe.
    """
    keys, front_server = settings.signing_keys(), trusted_proxy_of(settings)
    leave_logging_to_host()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.enter_context(guard_start(app))
            url = stack.enter_context(database_address(settings, watched=True))
            database = await Database.connect(
                url,
                pool_size=settings.database_pool_size,
                must_write=True,
                durable=not settings.allow_unsafe_database,
            )
            stack.push_async_callback(database.close)
            await require_head(database)
            await check_promises(database, accept_unsafe=settings.allow_unsafe_database)
            repeat(stack, WEED_SECONDS, database.weed, name="connections")
            app.state.standby = await open_standby(stack, settings, database)
            accounts = await open_accounts(stack, settings, keys, database, front_server)
            streams: OpenStreams = app.state.streams
            terms_hold = partial(standing, database=database, clock=accounts.clock, limits=accounts.limits)
            for watch in (streams.watch(terms_hold), streams.watch_writes()):
                stack.push_async_callback(cancelled, asyncio.create_task(watch, name="open streams"))
            chat = await open_chat(
                stack, settings, database, handler, model or model_of(settings), app.state.metrics, streams
            )
            app.state.database, app.state.accounts, app.state.chat = database, accounts, chat
            app.state.mcp = await stack.enter_async_context(aclosing(McpServer()))
            app.state.model_names = ModelNames(chat.turn_store.model, settings.counted_models)
            lag = LoopLag()
            stack.callback(lag.stop)
            app.state.admission = TurnAdmission(chat.generations, database, lag)
            app.state.embedded_server = embedded_server(settings, url)
            repeat(stack, SWEEP_SECONDS, partial(cleanup, accounts), name="sweep", at_once=True)
            repeat(stack, SWEEP_SECONDS, chat.files.sweep, name="files", at_once=True)
            repeat(stack, COUNT_SECONDS, partial(count, database), name="count")
            if settings.retention_days:
                retaining = partial(retain, database, accounts.trail, settings.retention_days)
                repeat(stack, RETENTION_SECONDS, retaining, name="retention", at_once=True)
            if Settings.are_handed_over() if owns_process is None else owns_process:
                stack.enter_context(drain_on_signals(app, settings.shutdown_grace_seconds))
            await to_thread.run_sync(load_templates)
            stack.enter_context(watch_loop(app))
            app.state.running = True
            yield
            await drain(app, settings.shutdown_grace_seconds)

    app = FastAPI(
        title="Chatkeep",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=life,
    )
    app.state.settings = settings
    app.state.started = app.state.running = app.state.draining = False
    app.state.metrics, app.state.under_way = Metrics(), UnderWay()
    app.state.is_known = is_known
    app.state.streams = OpenStreams(write_timeout_seconds=settings.follower_timeout_seconds)
    app.state.imports = Imports(max_bytes=settings.max_import_bytes)
    app.state.file_uploads = Uploads(
        room_bytes=MAX_FILES_ON_THEIR_WAY * settings.max_file_bytes,
        refusal=lambda: TooManyUploads(TOO_MANY, RETRY_AFTER_SECONDS),
        busy="Too many files are being sent right now. Try again in a moment.",
    )
    for router in (
        *OPENAI_ROUTERS,
        *([mcp_router] if settings.mcp else ()),
        accounts_router,
        access_log_router,
        link_router,
        conversations_router,
        turns_router,
        ui_chats_router,
        search_router,
        files_router,
        models_router,
        transfer_router,
        admin_users_router,
        erasures_router,
        admin_router,
        statistics_router,
        retention_router,
        audit_router,
        chatstream_router,
        operations.router,
        docs_router,
        *WEB_ROUTERS,
    ):
        # As they are: an included router looks for a route at every step of a request, and costs as much as the answer.
        app.router.routes.extend(router.routes)
    add_error_handlers(app)
    _add_middleware(app, settings)
    describe(app)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    files = PathLimit(settings.max_file_bytes + MAX_FORM_BYTES, too_large(settings.max_file_bytes).detail)
    # The last one added is the first that a request meets.
    app.add_middleware(TrailingSlash)
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.max_body_bytes,
        elsewhere={
            IMPORT_PATH: PathLimit(settings.max_import_bytes),
            FILES_PATH: files,
            OPENAI_FILES_PATH: files,
        },
    )
    app.add_middleware(
        CrossSiteCheck,
        origins=settings.allowed_origins,
        trusted_proxies=settings.trusted_proxies,
        guests=settings.allow_guests,
        user_header=settings.auth_user_header,
        always=[MCP_PATH],
    )
    app.add_middleware(StreamsLast, streams=app.state.streams)
    app.add_middleware(InternalErrors)
    if settings.allowed_origins:
        app.add_middleware(CrossOrigin, origins=settings.allowed_origins)
    if settings.metrics_port is not None:
        app.add_middleware(MetricsApart, port=settings.metrics_port)
    app.add_middleware(
        HostAllowList, allowed=(*settings.allowed_hosts, settings.host), trusted_proxies=settings.trusted_proxies
    )
    app.add_middleware(StartedOnly, started_app=app)
    app.add_middleware(OpenAIErrors)
    app.add_middleware(
        RequestRecord, metrics=app.state.metrics, https=settings.cookie_secure, under_way=app.state.under_way
    )
    app.add_middleware(RootPath, configured=settings.root_path, trusted_proxies=settings.trusted_proxies)
