"""The routers of the pages, which the API's document says nothing of."""

from chatkeep.web.console import router as console_router
from chatkeep.web.console_data import router as console_data_router
from chatkeep.web.router import router as pages_router

ROUTERS = (pages_router, console_router, console_data_router)
