"""What the bot says in Telegram, and how words of others are shown harmlessly in it."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

from adapters.wording import in_numbers, one_line
from bot.answers import Hit, Verdict
from bot.language import photos, say, spoken, to_say
from bot.photos import Name
from bot.stats import Stats

MOST_CAPTION = 1024
"""UTF-16 code units that Telegram allows under a photo, counted without markup."""
MOST_MESSAGE = 4096
MOST_NAMES = 60
"""Names that one message lists."""
NAME, SNIPPET, WORDS = 40, 120, 100
"""UTF-16 code units that are shown of names, captions and questions."""

JOINER = "\u2060"
"""Word joiner: invisible, takes no room, and ends whatever Telegram would make a link of."""
# What Telegram turns into something to press by itself, wherever it stands: @names, #tags,
# $TAGS, /commands, addresses.
_TEMPTING = re.compile(r"([@#$/]|(?<=\w)[.:](?=\S))")

GROUP_COMMANDS = (
    ("find", to_say("find photos of this group: /find birthday cake")),
    ("similar", to_say("as a reply to a photo: others like it")),
    ("name", to_say("as a reply to a photo: call what is in it so: /name the goose")),
    ("names", to_say("what this group calls things")),
    ("unname", to_say("take a name away: /unname the goose")),
    ("which", to_say("as a reply to a photo: which is it? /which cat, dog or cake")),
    ("forget", to_say("as a reply to a photo: forget it; /forget me: all that you posted here")),
    ("optout", to_say("I remember nothing that you post; /optin takes it back")),
    ("language", to_say("admins: which language I speak here: /language en")),
    ("memories", to_say("admins: in the morning, what was posted on that day: /memories on")),
    ("stats", to_say("how many photos are remembered here, month by month")),
    ("help", to_say("what I do and what I keep")),
)
PRIVATE_COMMANDS = (
    ("find", to_say("find photos of the groups we share: /find birthday cake")),
    ("similar", to_say("with a photo: others like it")),
    ("names", to_say("what our groups call things")),
    ("which", to_say("with a photo: which is it? /which cat, dog or cake")),
    ("optout", to_say("I remember nothing that you post; /optin takes it back")),
    ("stats", to_say("the groups we share")),
    ("help", to_say("what I do and what I keep")),
)

GROUP_HELP = to_say("""<b>I remember the photos of this group.</b>
Post photos as always. Months later:
• /find <i>birthday cake</i> shows the photos that fit. By what is to be seen, by text in the \
photo, by caption.
• Among the words: <code>-people</code> takes away, <code>"two words"</code> must be there just \
so, and <code>from:ann</code>, <code>after:2024-05</code>, <code>before:</code>, <code>on:</code> \
or <i>last summer</i> narrow it.
• /find as a reply to a photo: like this one, but <i>at night</i>.
• /similar as a reply to a photo: others like it. A photo sent with /similar or /find is a \
question: I don't keep it.
• /name <i>the goose</i> as a reply to a photo: from then on /find <i>the goose</i> finds what \
looks like it, the better the more photos you name. /names lists what you call things, \
/unname <i>the goose</i> takes a name away.
• /which <i>cat, dog or cake</i> as a reply to a photo: what I take it for.
• What you say in reply to a photo helps to find it.
• /forget as a reply to a photo: gone from my memory, for who posted it and for admins. I am not \
told when a message is deleted; this tells me.
• /forget me: all that you posted here, gone. /optout: I never remember what you post, in any \
group; /optin takes it back.
• /forget everything: an admin empties my memory of this group.
• /language: an admin chooses which language I speak here.
• /memories on: in the morning I show what was posted on the same day years ago. An admin says \
so, with a time zone: /memories on Europe/Berlin
• /stats: how many photos I remember here, month by month.
In a private chat with me, /find searches the groups that we share.""")

PRIVATE_HELP = to_say("""<b>I remember the photos of groups.</b>
Send me words, or /find <i>birthday cake</i>: I look through the groups that we share. \
<code>-people</code> takes away, <code>"two words"</code> must be there just so, and \
<code>from:ann</code>, <code>in:"the group"</code>, <code>after:2024-05</code>, \
<code>before:</code>, <code>on:</code> or <i>last summer</i> narrow it. Send me a \
photo, and I look for others like it; I don't keep it. /which <i>cat, dog or cake</i> under a \
photo: what I take it for. /names: what our groups call things.
/optout: I never remember what you post in groups; /optin takes it back.
/stats names the groups that we share. Add me to a group, and I remember the photos that are \
posted there from then on.""")

GREETING = to_say("""<b>Hello! I remember the photos of this group.</b>
Post them as always. Months later /find <i>birthday cake</i> brings the right ones back.
I keep who posted a photo and when, its caption, what is said in reply to it, the text in it, and \
what it shows as numbers; \
the photos themselves stay with Telegram. Only members of this group can find them. They train \
nothing. /forget as a reply makes me forget a photo, /forget me all of yours, and with /optout I \
remember nothing that you post. Send me away, and I forget them all {when}. \
/help tells more.""")

HIDDEN = to_say("""⚠️ Telegram hides photos from me here. Either make me an admin of this group \
(no rights are needed), or have my owner send /setprivacy to @BotFather, choose <i>Disable</i>, \
and add me to this group again. I say so once I see them.""")
VISIBLE = to_say("Now I see the photos that are posted here, and remember them from now on.")

FIND_HOW = to_say("Say what to look for: /find birthday cake")
SIMILAR_HOW = to_say(
    "Reply to a photo with /similar, or send a photo with /similar as its caption."
)
FORGET_HOW = to_say(
    "Reply to a photo with /forget. All that you posted here: /forget me. Admins: /forget "
    "everything"
)
WHO_ARE_YOU = to_say("You write in the name of a chat: do that under your own name.")
NOT_ASKED = to_say("Only who asked for it can do that.")
FORGET_WHERE = to_say("Photos are forgotten in their group: reply to one there with /forget")
LANGUAGE_WHERE = to_say(
    "In private I speak the language of your Telegram, if I can; admins choose one for their group."
)
MEMORIES_WHERE = to_say("Memories are shown in groups: an admin says /memories on there.")
NAME_HOW = to_say("Reply to a photo with what to call what is in it: /name the goose")
NAME_WHERE = to_say("Names are given, and taken away, in the group that uses them.")
UNNAME_HOW = to_say("Say which name to take away: /unname the goose")
NO_NAMES = to_say("There are no names yet. Reply to a photo with /name the goose")
WHICH_HOW = to_say("Reply to a photo with some options: /which cat, dog or cake")
NOT_KNOWN = to_say("I don't remember that photo.")
NOT_YOURS = to_say("Only who posted a photo, or an admin, can make me forget it.")
ADMINS_ONLY = to_say("Only an admin can do that.")
SURE = to_say(
    "Forget <b>everything</b> I remember of this group? {photos}, for ever. Photos that are posted "
    "later are remembered again."
)
ALL_GONE = to_say("What I found is no longer there, so I forgot it.")
SOME_GONE = to_say("Of what I found, this is still there:")
NO_GROUPS = to_say(
    "I don't know of a group that we share. Write something in the group, e.g. /find there, then "
    "ask again. In groups that hide their members from me I must be an admin to check that you "
    "are in."
)
WENT_WRONG = to_say("Something went wrong while I looked. Please try again in a moment.")
SOME = to_say("I remember <b>{photos}</b> of this group")
NONE = to_say("I don't remember any photos of this group yet.")
TOO_OLD = to_say("This button is too old. Please ask again.")


def plain(text: str, most: int) -> str:
    """Somebody's words for an HTML message: one line, cut, no markup, nothing to press.

    Telegram makes @names (who are told), #tags, /commands and addresses pressable wherever they
    stand; an invisible sign in them keeps them words.
    """
    text = _TEMPTING.sub(rf"\1{JOINER}", one_line(text))
    return html.escape(_cut(text, most))


def length(markup: str) -> int:
    """UTF-16 code units that are left of an HTML message once Telegram has read it."""
    return _units(html.unescape(re.sub(r"<[^>]*>", "", markup)))


def caption(hits: Sequence[Hit], named: bool, numbers: Mapping[int, int]) -> str:
    """Who, when, where and why of each hit, for under an album or a photo, as HTML.

    `named`: each hit's group is said, since the reader is elsewhere. `numbers` by rank.
    """
    for snippet in (SNIPPET, SNIPPET // 3, 0):
        lines = [
            (f"{numbers[hit.rank]}. " if numbers else "") + _about(hit, named, snippet)
            for hit in hits
        ]
        text = "\n".join(lines)
        if length(text) <= MOST_CAPTION:
            break
    return text


def stats(found: Stats | None) -> str:
    """A group in numbers, and who posted most, numbered as in the picture that this is a caption
    of; as HTML."""
    words = in_numbers(None if found is None else found.status, SOME, NONE)
    if found is None or not found.status.photos:
        return words
    lines = [words, *found.ranked(lambda name: plain(name, NAME))]
    if found.notice:
        lines.append(f"<i>{plain(found.notice, MOST_CAPTION // 3)}</i>")
    return "\n".join(lines)


def names(known: Sequence[Name]) -> str:
    """What a group calls things, as HTML."""
    if not known:
        return say(NO_NAMES)
    lines = [f"<b>{plain(each.name, NAME)}</b>: {photos(each.examples)}" for each in known]
    return "\n".join(lines[:MOST_NAMES] + ["…"] * (len(lines) > MOST_NAMES))


def verdict(found: Verdict) -> str:
    """What a photo shows, in words and bars, as HTML."""
    lines = [plain(found.sentence, MOST_MESSAGE // 4)]
    lines += [
        f"<code>{each.bar()}</code> {each.percent} {plain(each.option, NAME)}"
        for each in found.shares
    ]
    if found.notice:
        lines.append(f"<i>{html.escape(found.notice[: MOST_MESSAGE // 4])}</i>")
    return "\n".join(lines)


def _about(hit: Hit, named: bool, snippet: int) -> str:
    post = hit.photo.post
    who = plain(post.author_name, NAME) or say("somebody")
    parts = [f"<b>{who}</b>", spoken().day(post.posted_at)]
    if named:
        where = plain(post.group_name, NAME) or say("a group")
        parts.append(say("in <b>{group}</b>", group=where))
    if why := hit.besides_meaning:
        parts.append(plain(spoken().listed(why), WORDS))
    if post.link:
        original = say("original")
        parts.append(f'<a href="{html.escape(post.link)}">{original}</a>')
    if hit.copies:
        parts.append(hit.stands_for(lambda name: plain(name, NAME)))
    line = " · ".join(parts)
    if post.caption and snippet:
        line += f"\n“{plain(post.caption, snippet)}”"
    return line


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _cut(text: str, most: int) -> str:
    if _units(text) <= most:
        return text
    kept = ""
    room = most - 1
    for character in text:
        room -= _units(character)
        if room < 0:
            break
        kept += character
    return kept.rstrip() + "…"
