"""The catalogues of the console's pages and the weekly e-mail: German, Spanish and French.

`make messages` adds new sentences to console/locale, empty, drops those that no page has any more,
and compiles. It needs no gettext tools: Django reads templates, `ast` reads modules, polib writes.
"""

import ast
import re
from pathlib import Path

import polib
from django.utils.translation import templatize

ROOT = Path(__file__).parents[2]
LOCALES = ROOT / "console" / "locale"
LANGUAGES = ("de", "es", "fr")
CALLS = {"_": 1, "_lazy": 1, "gettext": 1, "gettext_lazy": 1, "noop": 1, "ngettext": 2}
SOURCES = (
    *sorted((ROOT / "console").rglob("*.py")),
    ROOT / "voiceops" / "api" / "error_pages.py",
    ROOT / "telephony" / "domain" / "outcome_words.py",
    ROOT / "batches" / "reporting" / "report_mail.py",
)
TEMPLATES = (
    *sorted((ROOT / "templates" / "console").rglob("*.html")),
    *sorted((ROOT / "templates" / "components").rglob("*.html")),
    *sorted((ROOT / "templates" / "mail").rglob("*.html")),
    ROOT / "templates" / "error.html",
)
# As Django writes a template's sentences: gettext('…'), ngettext('…', '…', …), or _('…').
IN_TEMPLATES = re.compile(
    r"\b(?:(?P<n>n)?gettext|_)\((?P<text>u?(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"))"
    r"(?:,\s*(?P<plural>u?(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")))?",
    re.DOTALL,
)
PLACEHOLDERS = re.compile(r"%\(\w+\)s|\{\w+\}")

Message = tuple[str, str]
"""A sentence, and its plural or ""."""


def messages() -> list[Message]:
    """Everything that the console's pages say, in order."""
    found: dict[str, str] = {}
    for text, plural in (*_of_modules(), *_of_templates()):
        found[text] = plural or found.get(text, "")
    return sorted(found.items())


def _of_modules() -> list[Message]:
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            texts = [
                argument.value
                for argument in node.args[: CALLS.get(node.func.id, 0)]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            ]
            if texts:
                found.append((texts[0], texts[1] if len(texts) > 1 else ""))
    return found


def _of_templates() -> list[Message]:
    found = []
    for path in TEMPLATES:
        for match in IN_TEMPLATES.finditer(templatize(path.read_text(), origin=str(path))):
            text = ast.literal_eval(match["text"])
            plural = ast.literal_eval(match["plural"]) if match["n"] and match["plural"] else ""
            found.append((text, plural))
    return found


def catalogue(language: str) -> polib.POFile:
    """The catalogue of a language."""
    return polib.pofile(str(_folder(language) / "django.po"), wrapwidth=100)


def _folder(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES"


def update(language: str) -> None:
    """Bring a catalogue up to date with the pages, and compile it."""
    old = {entry.msgid: entry for entry in catalogue(language)}
    new = polib.POFile(wrapwidth=100)
    new.metadata = catalogue(language).metadata
    for text, plural in messages():
        known = old.get(text)
        new.append(
            polib.POEntry(
                msgid=text,
                msgid_plural=plural,
                msgstr="" if plural or known is None else known.msgstr,
                msgstr_plural=_plurals(known) if plural else {},
                flags=["python-format"] if "%(" in text else [],
            )
        )
    new.save(str(_folder(language) / "django.po"))
    new.save_as_mofile(str(_folder(language) / "django.mo"))


def _plurals(known: polib.POEntry | None) -> dict[int, str]:
    return known.msgstr_plural if known and known.msgstr_plural else {0: "", 1: ""}


if __name__ == "__main__":
    from django.conf import settings

    settings.configure(USE_I18N=True)
    for code in LANGUAGES:
        update(code)
