"""The seam: a request handler of somebody's own, as the README shows it."""

from datetime import date

from chatkeep.chat.handler import PersistentRequestHandler
from chatkeep.chat.history.turn import OpenTurn
from chatkeep.chat.models.prompt import ChatPrompt
from tests.support.models import HeldModel
from tests.support.running_service import running


class DatedRequestHandler(PersistentRequestHandler):
    async def chat_prompt(self, begun: OpenTurn) -> ChatPrompt:
        prompt = await super().chat_prompt(begun)
        prompt.set_system(f"Today is {date.today():%A, %d %B %Y}. {begun.system_prompt or ''}")  # noqa: DTZ011
        return prompt


async def test_a_handler_of_ones_own_changes_one_step(shared_database_url: str) -> None:
    model = HeldModel("ok")
    async with running(shared_database_url, model=model, handler=DatedRequestHandler) as service:
        alice = await service.person()
        conversation = await alice.conversation(system_prompt="Be brief.")
        await alice.say(conversation, "Hi")
        system = model.prompts[-1].to_openai_messages()[0]
        assert system["role"] == "system"
        assert system["content"].startswith("Today is ")
        assert system["content"].endswith(" Be brief.")
        kept = (await alice.client.get(f"/api/v1/conversations/{conversation}")).json()
        assert kept["system_prompt"] == "Be brief."
