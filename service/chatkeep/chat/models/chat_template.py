"""Chat templates: a conversation written out as the one string that a particular model was trained on.

Templates come with models from strangers, so they run in a sandbox.
"""

from typing import NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chatkeep.errors import Invalid

DEFAULT_TEMPLATE = """\
{%- for message in messages -%}
{%- if message.role == "system" -%}
{{ message.content ~ "\\n\\n" }}
{%- elif message.role == "user" -%}
{{ requester ~ ": " ~ message.content ~ "\\n" }}
{%- elif message.content -%}
{{ (message.role if message.role == "tool" else responder) ~ ": " ~ message.content ~ "\\n" }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ responder ~ ":" }}{%- endif -%}
"""


def render(template: str, **values: object) -> str:
    """Return `template` filled with `values`, whose texts are copied as they are.

    Raises:
        Invalid: the template is wrong, reaches outside the sandbox, or refuses the conversation.

    Source: Jinja documentation, Sandbox; Hugging Face Transformers, Chat templates.
    """
    try:
        return _sandbox().from_string(template).render(values)
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Invalid(f"The chat template cannot be used: {error}") from error


def _sandbox() -> ImmutableSandboxedEnvironment:
    # The same options as the library that the templates were written for; nothing is HTML here.
    environment = ImmutableSandboxedEnvironment(
        autoescape=False, trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = _refuse
    return environment


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
