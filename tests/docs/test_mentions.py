"""Everything that the documents name exists: commands, options, settings, targets, links, files, modules, addresses."""

import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module

import pytest

from chatkeep.app import create_app
from chatkeep.config import Settings
from tests.docs import commands
from tests.docs.documents import ROOT, SETTINGS_FILE, Document, Mention, every, read
from tests.support.running_service import settings_for

DOCUMENTS = [pytest.param(document, id=document.name) for document in every()]
EACH = pytest.mark.parametrize("document", DOCUMENTS)

SETTING = re.compile(r"\b(?:CHATKEEP|DATABASE)_[A-Z0-9_]*[A-Z0-9]\b")
ROUTE = re.compile(r"(?:(GET|HEAD|POST|PUT|PATCH|DELETE) )?(/[\w./{}:…-]*)(?:\?\S*)?")
QUOTED = re.compile(r"`([^`]+)`")
OPTION = re.compile(r"--[a-z][a-z-]*")
MODULE = re.compile(r"chatkeep(?:\.\w+)+")
FILE_ENDINGS = (".py", ".md", ".toml", ".yml", ".yaml", ".ini", ".example", ".cfg")

# Options of other programs, and files and addresses that stand for the reader's own.
OTHERS_OPTIONS: dict[str, str] = {"--flag": "something to search for"}
READERS_FILES = {"librechat.yaml", "mine.py", "server.py"}
READERS_ADDRESSES = {"/a/b/c", "/dev/shm", "/tmp"}
FILE_SYSTEM = ("/dev/", "/etc/", "/home/", "/opt/", "/proc/", "/run/", "/tmp", "/usr/", "/var/")


def faults(mentions: Iterable[Mention], fault_of: Callable[[str], str | None]) -> list[str]:
    found = ((mention.place, fault_of(mention.text)) for mention in mentions)
    return [f"{place}: {fault}. Put the document right." for place, fault in found if fault]


def in_a_script(document: Document) -> list[Mention]:
    return [Mention(each.document, each.line, each.text) for each in document.blocks if each.language in ("sh", "bash")]


def wrong_command(text: str) -> str | None:
    return next(filter(None, map(commands.fault_of, commands.commands_in(text))), None)


@EACH
def test_commands_exist_and_have_these_options(document: Document) -> None:
    assert not (wrong := faults([*document.code, *in_a_script(document)], wrong_command)), "\n".join(wrong)


def test_commands_in_the_file_of_settings_exist() -> None:
    text = (ROOT / SETTINGS_FILE).read_text()
    named = [Mention(SETTINGS_FILE, text[: found.start()].count("\n") + 1, found[1]) for found in QUOTED.finditer(text)]
    assert any(commands.commands_in(each.text) for each in named)
    assert not (wrong := faults(named, wrong_command)), "\n".join(wrong)


@EACH
def test_options_exist_that_are_named_alone(document: Document) -> None:
    def fault_of(text: str) -> str | None:
        name = text.partition("=")[0].partition(" ")[0]
        if not OPTION.fullmatch(name) or name in commands.all_options() or name in OTHERS_OPTIONS:
            return None
        return f"no command has the option {name} (another program's belongs into OTHERS_OPTIONS of this test)"

    assert not (wrong := faults(document.code, fault_of)), "\n".join(wrong)


@EACH
def test_targets_of_make_exist(document: Document) -> None:
    def fault_of(text: str) -> str | None:
        for words in commands.targets_in(text):
            for word in words:
                name, is_variable, _ = word.partition("=")
                known = commands.make_variables() if is_variable else commands.make_targets()
                if name not in known and not name.startswith("-"):
                    return f"the Makefile has no {name}"
        return None

    assert not (wrong := faults([*document.code, *in_a_script(document)], fault_of)), "\n".join(wrong)


@cache
def known_settings() -> frozenset[str]:
    """The service's settings, and the few names that only tests and the gate read."""
    fields = {f"CHATKEEP_{name.upper()}" for name in Settings.model_fields}
    files = [ROOT / ".ci" / "run", *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
    tests = {name for file in files for name in re.findall(r"\bCHATKEEP_TEST_[A-Z_]+\b", file.read_text())}
    return frozenset(fields | tests | {"DATABASE_URL"})


@pytest.mark.parametrize("name", ["README.md", SETTINGS_FILE, *(each.name for each in every()[1:])])
def test_settings_exist(name: str) -> None:
    wrong = []
    for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
        for found in SETTING.findall(line):
            a_family = line.partition(found)[2].startswith(("_*", "*", "_…", "…"))
            if found not in known_settings() and not (
                a_family and any(each.startswith(found) for each in known_settings())
            ):
                wrong.append(f"{name}:{number}: there is no setting {found}. Put the document right.")
    assert not wrong, "\n".join(wrong)


@EACH
def test_links_lead_somewhere(document: Document) -> None:
    def fault_of(link: str) -> str | None:
        if re.match(r"[a-z]+:", link):
            return None
        path, _, anchor = link.partition("#")
        target = (ROOT / document.name).parent / path if path else ROOT / document.name
        if not target.resolve().exists():
            return f"the link {link} leads to no file"
        if anchor and anchor not in read(str(target.resolve().relative_to(ROOT))).anchors:
            return f"the link {link} leads to no heading"
        return None

    assert not (wrong := faults(document.links, fault_of)), "\n".join(wrong)


@EACH
def test_files_exist(document: Document) -> None:
    def fault_of(text: str) -> str | None:
        if not is_file_of_ours(text):
            return None
        missing = [each for each in without_braces(text) if not is_there(each)]
        return (
            f"there is no {' and no '.join(missing)} (the reader's own belong into READERS_FILES)" if missing else None
        )

    assert not (wrong := faults(document.code, fault_of)), "\n".join(wrong)


def is_file_of_ours(text: str) -> bool:
    if not re.fullmatch(r"\.?[\w][\w.*/{},-]*", text) or text in READERS_FILES:
        return False
    first, slash, _ = text.partition("/")
    return bool(slash and (ROOT / first).is_dir()) or text.endswith(FILE_ENDINGS)


def is_there(path: str) -> bool:
    """Tell whether there is such a file; one without its folder may be in any."""
    if "/" in path or (ROOT / path).exists():
        return any(ROOT.glob(path.rstrip("/")))
    return any(any((ROOT / folder).rglob(path)) for folder in ("service", "tests", "bench", "migrations", "docs"))


def without_braces(text: str) -> list[str]:
    """Return the words that a shell makes of one pair of braces."""
    found = re.fullmatch(r"([^{]*)\{([^}]*)\}(.*)", text)
    return [f"{found[1]}{each}{found[3]}" for each in found[2].split(",")] if found else [text]


@EACH
def test_modules_and_names_in_them_exist(document: Document) -> None:
    def fault_of(text: str) -> str | None:
        found = MODULE.match(text)
        return None if not found or can_import(found[0]) else f"there is no {found[0]}"

    assert not (wrong := faults(document.code, fault_of)), "\n".join(wrong)


def can_import(dotted: str) -> bool:
    try:
        import_module(dotted)
    except ImportError:
        module, _, name = dotted.rpartition(".")
        return bool(module) and can_import(module) and hasattr(import_module(module), name)
    return True


@cache
def addresses() -> frozenset[str]:
    app = create_app(settings_for("postgresql://nobody@127.0.0.1:1/nothing"))
    return frozenset(re.sub(r"\{[^}]*\}", "{}", getattr(each, "path", "")) for each in app.routes)


@EACH
def test_addresses_of_the_service_exist(document: Document) -> None:
    def fault_of(text: str) -> str | None:
        found = ROUTE.fullmatch(text)
        if not found or found[2] in READERS_ADDRESSES or "…" in found[2] or found[2].startswith(FILE_SYSTEM):
            return None
        path = re.sub(r"\{[^}]*\}", "{}", found[2])
        if path in addresses() or any(each.startswith(path.rstrip("/") + "/") for each in addresses()):
            return None
        return f"the service has no {found[2]} (an address that is the reader's own belongs into READERS_ADDRESSES)"

    assert not (wrong := faults(document.code, fault_of)), "\n".join(wrong)


# That these tests can fail.


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("chatkeep nonsense", "no command `chatkeep nonsense`"),
        ("chatkeep user nonsense", "no command `chatkeep user nonsense`"),
        ("chatkeep serve --nonsense", "has no option --nonsense"),
        ("chatkeep db upgrade && chatkeep serve --port=1 --nonsense", "has no option --nonsense"),
        ("CHATKEEP_PORT=1 chatkeep doctr", "no command `chatkeep doctr`"),
        ("docker compose exec chatkeep chatkeep doctr", "no command `chatkeep doctr`"),
        ("/opt/chatkeep/bin/chatkeep doctr", "no command `chatkeep doctr`"),
        ("docker build --tag chatkeep .", None),
        ("systemctl enable --now chatkeep", None),
        ("chatkeep COMMAND --help", None),
        ("chatkeep user hold alice", None),
        ("chatkeep serve --model-url http://127.0.0.1:1/v1 …", None),
        ("chatkeep backup FILE", None),
    ],
)
def test_a_wrong_command_is_seen(text: str, wrong: str | None) -> None:
    found = wrong_command(text)
    assert (wrong is None and found is None) or (wrong is not None and wrong in str(found))


def test_files_and_modules_that_are_not_there_are_seen() -> None:
    assert is_file_of_ours("service/nothing.py")
    assert is_file_of_ours("docs/nothing.md")
    assert not is_file_of_ours("chatgpt-export.zip")
    assert without_braces("service/chatkeep/{clock,ids}.py") == ["service/chatkeep/clock.py", "service/chatkeep/ids.py"]
    assert can_import("chatkeep.app.create_app")
    assert not can_import("chatkeep.app.no_such_name")
    assert not can_import("service.nothing.at_all")
