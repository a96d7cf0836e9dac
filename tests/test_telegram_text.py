"""Words of others in the bot's messages: harmless, short enough, still readable."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.telegram import text
from bot.answers import Hit, Signal
from bot.photos import GroupStatus, PhotoRef, Post, Refusal, StoredPhoto
from bot.stats import Poster, Stats
from tests.standins.telegram.rules import entities_of, parse_html

NASTY = st.text(
    st.one_of(
        st.sampled_from('<>&"@#$/.:\u202e\u2028\n\r\t_*`[]()🎂'), st.characters(codec="utf-8")
    ),
    max_size=300,
)


def hit(rank: int = 1, **more: object) -> Hit:
    values: dict[str, object] = {
        "group": "telegram:-1005",
        "group_name": "Family",
        "channel": "-1005",
        "message": "7",
        "author": "telegram:1",
        "author_name": "Ann",
        "posted_at": datetime(2024, 5, 12, 12, tzinfo=UTC),
        "photos": (PhotoRef("telegram", "k", "{}"),),
        "link": "https://t.me/c/5/7",
    }
    post = Post(**(values | more))  # type: ignore[arg-type]
    return Hit(rank, StoredPhoto(rank, post), 1.0, (Signal.MEANING,))


def pressable(markup: str) -> list[str]:
    """Kinds of what Telegram would make of a message, other than what the bot wrote itself."""
    shown, entities = parse_html(markup)
    return sorted(e["type"] for e in entities_of(shown, entities))


@given(NASTY)
def test_nothing_of_others_can_be_pressed_or_marked(words: str) -> None:
    assert pressable(text.plain(words, 4096)) == []


@pytest.mark.parametrize(
    "words",
    ["@everyone", "hi @ann_b!", "#cake", "/forget", "evil.com", "https://evil.com/x?y=1",
     "tg://user?id=1", "a@b.com", "<b>x</b>", "<a href='x'>", "&lt;b&gt;", "$EUR", "1.2.3.4",
     "t.me/joinchat/x", "@a@b@c_d", "mailto:a@b.org"],
)  # fmt: skip
def test_what_tempts_is_shown_as_it_was_written(words: str) -> None:
    markup = text.plain(words, 100)
    assert pressable(markup) == []
    assert parse_html(markup)[0].replace(text.JOINER, "") == words


@given(NASTY, st.integers(1, 60))
def test_words_are_cut_to_length(words: str, most: int) -> None:
    markup = text.plain(words, most)
    assert text.length(markup) <= most
    assert not re.search(r"[\n\r\u2028\u202e]", markup)
    assert all(unicodedata.category(c) != "Cc" for c in markup)


@given(NASTY, NASTY, NASTY)
def test_captions_fit_and_hold_only_what_we_put_in(name: str, group: str, caption: str) -> None:
    hits = [hit(n, author_name=name, group_name=group, caption=caption) for n in (1, 2, 3)]
    markup = text.caption(hits, named=True, numbers={1: 1, 2: 2, 3: 3})
    assert text.length(markup) <= text.MOST_CAPTION
    kinds = pressable(markup)
    assert kinds == ["bold"] * 6 + ["text_link"] * 3


def test_a_caption_says_who_when_why_and_where() -> None:
    found = hit(caption="Tom's cake <3")
    found = Hit(1, found.photo, 1.0, (Signal.MEANING, Signal.TEXT, Signal.CAPTION))
    assert text.caption([found], named=False, numbers={}) == (
        "<b>Ann</b> · 12 May 2024 · text in the photo and caption · "
        '<a href="https://t.me/c/5/7">original</a>\n“Tom&#x27;s cake &lt;3”'
    )
    elsewhere = text.caption([hit(link=None)], named=True, numbers={1: 2})
    assert elsewhere == "2. <b>Ann</b> · 12 May 2024 · in <b>Family</b>"
    assert text.caption([hit(author_name="")], False, {}).startswith("<b>somebody</b>")


def test_our_own_words_are_what_telegram_takes() -> None:
    for markup in (
        text.GROUP_HELP,
        text.PRIVATE_HELP,
        text.GREETING.format(when="after 7 days"),
        text.HIDDEN,
        text.SURE.format(photos="3 photos"),
    ):
        parse_html(markup)
        assert text.length(markup) <= text.MOST_MESSAGE
    for commands in (text.GROUP_COMMANDS, text.PRIVATE_COMMANDS):
        for name, help_ in commands:
            assert re.fullmatch("[a-z0-9_]{1,32}", name)
            assert 1 <= len(help_) <= 256


def test_stats_are_told_in_words() -> None:
    none = "I don't remember any photos of this group yet."
    assert text.stats(None) == text.stats(Stats(GroupStatus("g", "", 0, 0, 0, ()))) == none
    one = GroupStatus("g", "", 1, 0, 0, ())
    assert text.stats(Stats(one)) == "I remember <b>1 photo</b> of this group."
    many = GroupStatus("g", "", 1234, 2, 5, (Refusal(1, "a", "b"),))
    changing = GroupStatus("g", "", 1234, 0, 0, (), waiting_renewal=7)
    assert "7 of them a new model has yet to see" in text.stats(Stats(changing))
    assert text.stats(Stats(many)) == (
        "I remember <b>1,234 photos</b> of this group; 5 of them I am still looking at; "
        "1 file could not be read."
    )
    hostile = Stats(one, "no <b>model</b>", (Poster("@all <b>#x</b>\n/forget", 9), Poster("", 1)))
    shown, entities = parse_html(text.stats(hostile))
    assert [each["type"] for each in entities] == ["bold", "italic"], "of ours alone"
    assert shown.splitlines()[1:] == [
        f"1. @{text.JOINER}all <b>#{text.JOINER}x</{text.JOINER}b> /{text.JOINER}forget: 9 photos",
        "2. somebody: 1 photo",
        f"no <b>model</{text.JOINER}b>",
    ]
    longest = Stats(many, "x" * 5000, (Poster("😀" * 99, 123_456),) * 5)
    assert text.length(text.stats(longest)) <= text.MOST_CAPTION
