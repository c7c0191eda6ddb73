"""The routers of the pages, which the API's document says nothing of."""

from service.web.console import router as console_router
from service.web.console_data import router as console_data_router
from service.web.router import router as pages_router

ROUTERS = (pages_router, console_router, console_data_router)
