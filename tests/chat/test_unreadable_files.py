"""PDFs at models that take none: told in words, and no later turn fails for them."""

from typing import Any

import pytest

from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel
from tests.chat.files.pictures import add, png
from tests.chat.models.streams import ROLE, STOP, refusal, says
from tests.support.running_service import Person, running
from tests.upstream.raw import Answer, RawServer

PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
ANSWERED = Answer(ROLE + says("Sencha.") + STOP)
# As these servers refuse a part of the type `file`.
REFUSALS = {
    "vllm": refusal(400, {"error": {"message": "Unknown part type: file", "type": "BadRequestError", "code": 400}}),
    "vllm-later": refusal(
        400, {"error": {"message": "Unsupported chat content part type: 'file'. Supported types: text, image_url"}}
    ),
    "llama.cpp": refusal(
        500, {"error": {"code": 500, "message": "unsupported content[].type", "type": "server_error"}}
    ),
    "ollama": refusal(400, {"error": {"message": "invalid message format", "type": "invalid_request_error"}}),
    "qwen": refusal(
        400, {"error": {"message": "Invalid value: file. Supported values are: 'text','image_url','video_url'."}}
    ),
    "deepseek": refusal(422, "Failed to deserialize: messages[0]: unknown variant `file`, expected `text` at line 1"),
    "lm-studio": refusal(
        400,
        {"error": "'content' objects must have a 'type' field that is either 'text' or 'image_url'"},
    ),
    "pydantic": refusal(
        422,
        {"detail": [{"msg": "Input tag 'file' found using 'type' does not match any of the expected tags: 'text'"}]},
    ),
    "text-alone": refusal(400, {"error": {"message": "'messages.0' : content must be a string"}}),
}
NO_PICTURES = refusal(400, {"object": "error", "message": "llama is not a multimodal model", "code": 400})


async def pdf_of(person: Person) -> list[dict[str, Any]]:
    kept = await add(person, PDF, "tea.pdf")
    return [{"type": "file", "file_id": kept["id"]}]


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_model_that_takes_no_pdfs_says_so_and_the_conversation_goes_on(
    shared_database_url: str, name: str
) -> None:
    refused = REFUSALS[name]
    with RawServer({name: (refused, refused, ANSWERED)}) as upstream:
        model = OpenAICompatibleModel(upstream.url, model=name, retry_pause_seconds=0.001)
        async with running(shared_database_url, model=model) as service:
            person = await service.person()
            conversation = await person.conversation()
            failed = await person.say(conversation, "Which?", items=await pdf_of(person))
            assert (failed["status"], failed["error"]["code"]) == ("failed", "model_takes_no_files")
            assert f"The model “{name}” takes no PDFs" in failed["error"]["detail"]
            turn = await person.say(conversation, "Any tea, then.")
    assert (turn["status"], turn["reply"]["content"]) == ("complete", "Sencha.")
    assert turn["reply"]["items"] == [
        {"type": "files_left_out", "names": ["tea.pdf"]},
        {"type": "message", "start": 0, "end": 7},
    ]
    [message] = upstream.requests[-1][2]["messages"]
    assert message["content"] == "[Here is the file “tea.pdf”, which you cannot see.]\n\nWhich?\n\nAny tea, then."


async def test_earlier_pictures_and_pdfs_are_left_out_one_after_the_other(shared_database_url: str) -> None:
    no_pdfs = REFUSALS["qwen"]  # its words name pictures, too
    with RawServer({"m": (no_pdfs, NO_PICTURES, no_pdfs, NO_PICTURES, ANSWERED)}) as upstream:
        model = OpenAICompatibleModel(upstream.url, model="m", retry_pause_seconds=0.001)
        async with running(shared_database_url, model=model) as service:
            person = await service.person()
            conversation = await person.conversation()
            assert (await person.say(conversation, "Which?", items=await pdf_of(person)))["status"] == "failed"
            picture = [{"type": "image", "file_id": (await add(person, png(), "cup.png"))["id"]}]
            failed = await person.say(conversation, "And this?", items=picture)
            assert failed["error"]["code"] == "model_takes_no_images"
            turn = await person.say(conversation, "Any tea, then.")
    assert [item.get("names") for item in turn["reply"]["items"]] == [["tea.pdf"], ["cup.png"], None]


async def test_without_a_pdf_the_same_words_mean_something_else(shared_database_url: str) -> None:
    with RawServer({"m": (REFUSALS["ollama"],)}) as upstream:
        model = OpenAICompatibleModel(upstream.url, model="m", retry_pause_seconds=0.001)
        async with running(shared_database_url, model=model) as service:
            person = await service.person()
            turn = await person.say(await person.conversation(), "Which?")
            assert turn["error"]["code"] == "model_bad_request"
