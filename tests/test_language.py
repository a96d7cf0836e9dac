"""What is said in other languages: whole catalogs, harmless markup, who is spoken to in which."""

from __future__ import annotations

import ast
import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message

from adapters.discord import text as discord_text
from adapters.telegram import text as telegram_text
from adapters.web_words import IN_BROWSER, for_browser
from bot import language as language_module
from bot.answers import more_like_it
from bot.errors import SettingsError
from bot.language import (
    Language,
    count,
    fitting,
    language,
    languages,
    named,
    photos,
    say,
    speak,
    speaking,
    spoken,
)
from bot.language_choice import LanguageChoice
from bot.locale import __main__ as catalogs
from bot.periods import Period
from bot.photos import Group
from bot.settings import DEFAULT_MODEL, from_mapping
from bot.understanding import hint, script_of
from storage.sqlite import SqliteStore
from tests.standins.telegram.rules import parse_html

ROOT = Path(__file__).parent.parent
OTHERS = [code for code in languages() if code != language_module.ENGLISH]
FAM = "local:fam"


@pytest.fixture(scope="module")
def extracted() -> Catalog:
    return catalogs.extracted()


def texts(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def ids(message: Message) -> tuple[str, ...]:
    return tuple(map(str, message.id)) if isinstance(message.id, tuple) else (str(message.id),)


def strings(message: Message) -> list[str]:
    found = message.string if isinstance(message.string, tuple) else (message.string,)
    return [str(string or "") for string in found]


def values(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


# --- catalogs


@pytest.mark.parametrize("code", OTHERS)
def test_everything_is_translated(code: str, extracted: Catalog) -> None:
    catalog = catalogs.read(language_module.CATALOGS / f"{code}.po")
    there = {ids(message) for message in texts(catalog)}
    wanted = {ids(message) for message in texts(extracted)}
    assert there == wanted, "run python -m bot.locale, then translate what is new"
    for message in texts(catalog):
        assert not message.fuzzy, message.id
        assert len(strings(message)) == (catalog.num_plurals if message.pluralizable else 1)
        assert all(string.strip() for string in strings(message)), message.id


@pytest.mark.parametrize("code", OTHERS)
def test_translations_have_the_values_of_what_they_translate(code: str) -> None:
    for message in texts(catalogs.read(language_module.CATALOGS / f"{code}.po")):
        one, *many = ids(message)
        for string in strings(message):
            assert values(string) <= values(one).union(*map(values, many)), message.id
            if not many:
                assert values(string) == values(one), message.id
            else:
                assert values(string) - {"count"} == values(one) - {"count"}, message.id
        if not many:
            ends = (re.compile(r"\n*$"), re.compile(r"^\s*"))
            for end in ends if len(one) > 2 else ():
                found, said = end.search(one), end.search(strings(message)[0])
                assert found is not None
                assert said is not None
                assert found[0] == said[0], message.id


@pytest.mark.parametrize("code", OTHERS)
def test_no_translation_breaks_the_markup_of_telegram(code: str) -> None:
    in_telegram = [
        message
        for message in texts(catalogs.read(language_module.CATALOGS / f"{code}.po"))
        if any(path.startswith(("adapters/telegram", "bot/")) for path, _ in message.locations)
    ]
    assert len(in_telegram) > 50
    for message in in_telegram:
        marked = "<" in ids(message)[0]
        for string in strings(message):
            shown, entities = parse_html(string)
            _, expected = parse_html(ids(message)[0])
            kinds = Counter(entity["type"] for entity in entities)
            assert kinds == Counter(entity["type"] for entity in expected), message.id
            assert marked or shown == string, "what is no markup must not look like some"


@pytest.mark.parametrize("code", languages())
def test_texts_fit_where_they_go(code: str) -> None:
    speaks = language(code)
    typed = values(discord_text.HELP) | values(discord_text.GREETING)
    commands = {word: f"`/{word}`" for word in typed - {"when"}}
    assert len(speaks.say(discord_text.HELP, **commands)) <= 2000
    assert len(speaks.say(discord_text.GREETING, **commands, when="after 3650 days")) <= 1700
    for markup in (telegram_text.GROUP_HELP, telegram_text.PRIVATE_HELP):
        assert telegram_text.length(speaks.say(markup)) <= telegram_text.MOST_MESSAGE
    for _, help_ in (*telegram_text.GROUP_COMMANDS, *telegram_text.PRIVATE_COMMANDS):
        assert 1 <= len(speaks.say(help_)) <= 256
    for title in (discord_text.NAME_THIS, discord_text.WHICH, discord_text.SIMILAR):
        assert len(speaks.say(title)) <= 32
    for node in _calls(ROOT / "adapters/discord/commands.py", "to_say"):
        assert 1 <= len(speaks.say(ast.literal_eval(node.args[0]))) <= 100


def _calls(path: Path, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if (node.func.id if isinstance(node.func, ast.Name) else called) in names:
                yield node


def test_all_that_is_said_is_extracted(extracted: Catalog) -> None:
    """Babel reads tokens and overlooks what stands inside f-strings, depending on the Python."""
    known = {ids(message)[0] for message in texts(extracted)}
    for room in catalogs.ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in _calls(path, *catalogs.KEYWORDS):
                place = (
                    1 if getattr(node.func, "id", getattr(node.func, "attr", "")) == "count" else 0
                )
                if len(node.args) > place and isinstance(node.args[place], ast.Constant):
                    text = ast.literal_eval(node.args[place])
                    assert not isinstance(text, str) or text in known, f"{path.name}: {text}"


def test_the_browser_gets_all_that_it_says() -> None:
    script = (ROOT / "adapters/web.js").read_text(encoding="utf-8")
    said = {text.replace('\\"', '"') for text in re.findall(r'\bsay\("((?:[^"\\]|\\.)*)"', script)}
    assert said == set(IN_BROWSER)
    with speaking(language("zh")):
        assert "只有你" in for_browser()


# --- saying


def test_english_is_what_stands_in_the_code() -> None:
    assert spoken().code == "en"
    assert say("That was all.") == "That was all."
    assert say("no such text, {name}", name="Ann {x}") == "no such text, Ann {x}"
    assert say("") == ""
    assert [photos(n) for n in (0, 1, 2, 1234)] == [
        "0 photos",
        "1 photo",
        "2 photos",
        "1,234 photos",
    ]
    assert language("en").day(datetime(2024, 5, 12, 12, tzinfo=UTC)) == "12 May 2024"
    assert more_like_it(4, ["Ann", "Bob"]) == "and 4 more like it, also posted by Ann and Bob"


def test_chinese() -> None:
    with speaking(language("zh")):
        assert say("That was all.") == "就这些了。"
        assert photos(1) == "1 张照片"
        assert photos(1234) == "1,234 张照片"
        assert spoken().day(datetime(2024, 5, 12, 12, tzinfo=UTC)) == "2024年5月12日"
        assert spoken().listed(["配文", "画面"]) == "配文和画面"
        assert more_like_it(5, ["Ann", "Bob", "Eve", "Tom"]) == (
            "还有 5 张差不多的，Ann、Bob和另外 2 人也发过"
        )
        assert str(Period(date(2024, 6, 1), None)) == "2024-06-01 以后"
    assert say("That was all.") == "That was all.", "only for a while"


CATALOG = (
    """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && """
    """(n%100<12 || n%100>14) ? 1 : 2);\\n"

msgid "Forgotten."
msgstr "Забыто."

#, fuzzy
msgid "Keep"
msgstr "Не то"

msgid "Share"
msgstr ""

msgid "Forgotten: {photos}."
msgstr "Забыто: {what}."

msgid "{count} photo"
msgid_plural "{count} photos"
msgstr[0] "{count} фотография"
msgstr[1] "{count} фотографии"
msgstr[2] "{count} фотографий"
"""
)


@pytest.fixture
def russian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Language:
    (tmp_path / "ru.po").write_text(CATALOG, encoding="utf-8")
    monkeypatch.setattr(language_module, "CATALOGS", tmp_path)
    return Language("ru")


def test_a_new_language_is_a_file(russian: Language) -> None:
    assert languages() == ["en", "ru"]
    with speaking(russian):
        assert say("Forgotten.") == "Забыто."
        assert [photos(n) for n in (1, 3, 5, 11)] == [
            "1 фотография",
            "3 фотографии",
            "5 фотографий",
            "11 фотографий",
        ]


def test_what_is_missing_uncertain_or_wrong_is_english(russian: Language) -> None:
    with speaking(russian):
        assert say("Keep") == "Keep"
        assert say("Share") == "Share"
        assert say("Not in the catalog") == "Not in the catalog"
        assert say("Forgotten: {photos}.", photos="3") == "Forgotten: 3."
        assert count(2, "{count} file", "{count} files") == "2 files"


async def test_every_task_speaks_for_itself() -> None:
    async def answer(code: str) -> str:
        speak(language(code))
        await asyncio.sleep(0)
        return say("Forgotten.")

    said = await asyncio.gather(*map(answer, ("zh", "en", "zh")))
    assert said == ["已经忘掉了。", "Forgotten.", "已经忘掉了。"]
    assert say("Forgotten.") == "Forgotten."


# --- which language


@pytest.mark.parametrize(
    ("code", "found"),
    [
        *(("zh", "zh"), ("zh-CN", "zh"), ("zh_Hans_CN", "zh"), ("zh-hans", "zh")),
        *(("en-US", "en"), ("EN", "en"), ("xx", None), ("", None), (None, None), ("../zh", None)),
    ],
)
def test_codes_of_platforms(code: str | None, found: str | None) -> None:
    fits = fitting(code)
    assert (fits and fits.code) == found


@pytest.mark.parametrize("words", ["zh", "ZH-cn", "中文", "Chinese", " chinese "])
def test_a_language_is_named_in_many_ways(words: str) -> None:
    found = named(words)
    assert found is not None
    assert found.code == "zh"


async def test_what_was_chosen_comes_first_then_what_is_told_then_the_setting(
    tmp_path: Path,
) -> None:
    async with SqliteStore(tmp_path / "box.db") as store:
        await store.groups.meet(Group(FAM, "Family"))
        choice = LanguageChoice(store.groups)
        assert (await choice.of(FAM)).code == "en"
        assert (await choice.of(FAM, "zh-CN")).code == "zh"
        assert (await choice.of(None, "xx")).code == "en"
        assert (await LanguageChoice(store.groups, "zh").of(FAM, "xx")).code == "zh"
        said = await choice.choose(FAM, "klingon")
        assert said == "Say which language to speak here: en (English), zh (中文)"
        assert await choice.choose(FAM, "zh") == "好的，从现在起我在这里说中文。"
        assert (await choice.of(FAM, "en-US")).code == "zh"
        assert (await LanguageChoice(store.groups).of(FAM, "en")).code == "zh", "after a restart"
        await store.groups.erase(FAM)
        await store.groups.meet(Group(FAM, "Family"))
        await choice.keep(FAM)
        assert (await LanguageChoice(store.groups).of(FAM)).code == "zh"


def test_the_setting() -> None:
    assert from_mapping({}).language == "en"
    assert from_mapping({"LANGUAGE": "zh-CN"}).language == "zh"
    with pytest.raises(SettingsError, match=r"LANGUAGE='tlh'.*en, zh"):
        from_mapping({"LANGUAGE": "tlh"})


# --- what the model understands


@pytest.mark.parametrize(
    ("words", "script"),
    [
        *(
            ("生日蛋糕", "CJK"),
            ("cake 生日蛋糕", None),
            ("a 生日蛋糕", "CJK"),
            ("торт", "CYRILLIC"),
        ),
        *(("كعكة", "ARABIC"), ("gâteau", "LATIN"), ("🎂 2024!", None), ("ｃａｋｅ", "LATIN")),
    ],
)
def test_scripts(words: str, script: str | None) -> None:
    assert script_of(words) == script


@pytest.mark.parametrize("model", ["ViT-B-32/datacomp_xl_s13b_b90k", "PE-Core-T-16-384/meta"])
@pytest.mark.parametrize("words", ["生日蛋糕", "торт", "كعكة"])
def test_an_english_model_says_which_one_would_understand(model: str, words: str) -> None:
    assert f"MODEL={DEFAULT_MODEL}" in (hint(words, model) or "")
    assert hint("birthday cake 🎂 2024", model) is None


@pytest.mark.parametrize(
    "model",
    [
        *(DEFAULT_MODEL, "ViT-B-16-SigLIP-i18n-256/webli", "xlm-roberta-base-ViT-B-32/laion5b"),
        *("nllb-clip-base/v1", "local-dir:/models/mine"),
    ],
)
def test_a_model_of_many_languages_does_not(model: str) -> None:
    assert hint("торт", model) is None


def test_the_starter_knows_english_and_chinese() -> None:
    assert hint("生日蛋糕", "starter") is None
    assert hint("торт", "starter") is not None
