"""The types of settings that are more than a number or a word, each with its check."""

import re
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from chatkeep.hosts import HostPattern, parse_listen_host, require_origin
from chatkeep.model_url import require_model_proxy, require_model_url
from chatkeep.networks import Network
from chatkeep.public_path import parse_root_path
from chatkeep.setting_values import parse_json, parse_networks, split_at_commas

Word = TypeVar("Word")
Value = TypeVar("Value")


def _matching_hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(HostPattern.parse(text)) for text in value)


def _plain_origins(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(require_origin(text) for text in value)


def _sendable(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]{16,1000}", value.get_secret_value()):
        raise ValueError("takes 16 or more letters, digits and signs of ASCII, without blanks")
    return value


def _at_home(value: Path) -> Path:
    try:
        return value.expanduser()
    except RuntimeError:
        raise ValueError("there is no home folder for ~. Write the whole path") from None


def _no_service_link(value: object) -> object:
    if isinstance(value, str) and value.startswith("tcp://"):
        raise ValueError(
            "this is an address that Kubernetes sets for a Service named chatkeep. Set enableServiceLinks: false "
            "for the pod, or set CHATKEEP_PORT there yourself"
        )
    return value


def _usable_proxy(value: SecretStr) -> SecretStr:
    return SecretStr(require_model_proxy(value.get_secret_value()))


def _lowered(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


# Commas part the members; JSON is no way to write a list here.
Listed = Annotated[Value, NoDecode, BeforeValidator(split_at_commas)]
Names = Listed[tuple[str, ...]]
Secrets = Listed[tuple[SecretStr, ...]]
AllowedHosts = Annotated[Names, AfterValidator(_matching_hosts)]
AllowedOrigins = Annotated[Names, AfterValidator(_plain_origins)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(parse_networks)]
# Not left to the library, which would add the roles of `.env` to those of the environment: a rule that nobody wrote, by
# which conversations are deleted.
FromJson = Annotated[Value, NoDecode, BeforeValidator(parse_json)]
LowerCase = Annotated[Word, BeforeValidator(_lowered)]
Flag = LowerCase[bool]

ListenHost = Annotated[str, AfterValidator(parse_listen_host)]
Port = Annotated[int, BeforeValidator(_no_service_link), Field(ge=0, le=65535)]
RootPath = Annotated[str, AfterValidator(parse_root_path)]
HomePath = Annotated[Path, AfterValidator(_at_home)]
SendableToken = Annotated[SecretStr, AfterValidator(_sendable)]
ModelUrl = Annotated[str, AfterValidator(require_model_url)]
ModelProxy = Annotated[SecretStr, AfterValidator(_usable_proxy)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
