"""The models that may be asked for: the model server's own list, looked at once a minute at most."""

import asyncio
import time

from chatkeep.chat.models import LanguageModel, ModelError, offered_names
from chatkeep.errors import ModelsUnknown

KEPT_SECONDS = 60.0


class ModelNames:
    """The names of one process's model.

    Args:
        counted_models: names that the operator vouches for beside those that the server lists.
    """

    def __init__(self, model: LanguageModel, counted_models: tuple[str, ...] = ()) -> None:
        self._model = model
        self._counted = counted_models
        self._names: list[str] = []
        self._looked_at = -KEPT_SECONDS
        self._lock = asyncio.Lock()

    async def all(self) -> list[str]:
        """Return the names, the default's first. Of a server that does not answer, those that are known.

        Raises:
            ModelsUnknown: none is.
        """
        async with self._lock:
            if time.monotonic() - self._looked_at >= KEPT_SECONDS:
                await self._look()
        names = self._names or offered_names(self._model, self._counted)
        if not names:
            raise ModelsUnknown("The model server does not list its models just now. Try again in a moment.")
        default = self._model.default_name
        return sorted(names, key=lambda name: name != default)

    async def _look(self) -> None:
        listing = getattr(self._model, "list_models", None)
        if listing is None:
            return
        try:
            self._names = list(dict.fromkeys(await listing()))
        except ModelError:
            return  # asked again with the next request
        self._looked_at = time.monotonic()
