"""What the bot says in Discord, and how words of others are shown harmlessly in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from adapters.wording import in_numbers, one_line
from bot.answers import Hit, Verdict
from bot.language import photos, say, spoken, to_say
from bot.photos import Name
from bot.stats import Stats

MOST_TEXT = 4000
"""Characters of all texts of one message
(https://docs.discord.com/developers/components/reference#text-display)."""
MOST_NAMES = 25
"""Names that one message lists; it has at most 2000 characters."""
NAME, SNIPPET, WORDS = 40, 120, 100
"""Characters that are shown of names, captions and questions."""
JOINER = "\u2060"
"""Word joiner: invisible, and parts an @ from the name behind it."""
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")

SIMILAR, REMEMBER, FORGET = to_say("Find similar"), to_say("Remember this"), to_say("Forget this")
NAME_THIS, WHICH = to_say("Name this…"), to_say("Which is it?")
NAME_ASKED = to_say("What do you call what is in it?")
WHICH_ASKED = to_say("What could it be?")
NAME_EXAMPLE, OPTIONS = to_say("the goose"), to_say("cat, dog or cake")

HELP = to_say("""**I remember the photos of this server.** Post photos as always. Months later:
- {find} `birthday cake` shows the photos that fit: by what is to be seen, by text in the photo, \
by what was said with it. Everybody in the channel sees the answer, so it holds only photos that \
everybody there may see; with `private` you alone see it, and all that you may see is searched.
- Among the words: `-people` takes away, `"two words"` must be there just so, and `from:ann`, \
`in:#kitchen`, `after:2024-05`, `before:`, `on:` or *last summer* narrow it.
- {similar} with an image: others like it. On a message: *Apps → Find similar*.
- *Apps → Name this…* on a message: call what is in its photo `the goose`, and {find} `the goose` \
finds what looks like it, the better the more photos you name. {names} lists the names, {unname} \
takes one away.
- *Apps → Which is it?* on a message, or {which} with an image: `cat, dog or cake`?
- What is said in reply to a photo helps to find it.
- *Apps → Forget this* on a message: gone from my memory, for who posted it and for moderators. \
Deleting the message does the same. {forget} `me`: all that you posted here.
- {optout}: I never remember what you post, in any server; {optin} takes it back.
- *Apps → Remember this*: keeps a photo that I did not notice.
- {history}: admins let me look through what was posted before I came.
- {language}: admins choose which language I speak here.
- {memories}: admins let me show in the morning what was posted on the same day years ago.
- {stats}: how many photos I remember. {forget} `everything`: an admin empties my memory.""")

GREETING = to_say("""**Hello! I remember the photos of this server.** Post them as always. Months \
later {find} `birthday cake` brings the right ones back, and shows nobody a photo from a channel \
that they can't see.
I keep who posted a photo and when, what was said with it and in reply to it, the text in it, and \
what it shows as numbers; the photos themselves stay with Discord. They train nothing. *Apps → \
Forget this* on a message makes me forget it, {forget} `me` all of yours, and with {optout} I \
remember nothing that you post. Remove me, and I forget everything {when}. Admins: \
{history} lets me look through what was posted before I came. {help} tells more.""")

HIDDEN = to_say("""⚠️ Discord hides photos from me: my owner has not switched on *Message Content \
Intent*. Until then I remember what you give me with *Apps → Remember this* on a message.""")

NOTHING_HERE = to_say("There are no photos in that message that I can remember.")
REMEMBERED = to_say("Remembered: {photos}.")
KNOWN = to_say("I remember that already.")
STAYS_FORGOTTEN = to_say(
    "That message stays forgotten: somebody had it forgotten, whoever posted it wants nothing "
    "remembered, or it is too old."
)
FORGOTTEN = to_say("Forgotten.")
NO_NAMES = to_say("There are no names yet. Open the menu of a message: *Apps → Name this…*")
NOT_KNOWN = to_say("I don't remember that message.")
NOT_YOURS = to_say("Only who posted a photo, or a moderator, can make me forget it.")
ADMINS_ONLY = to_say("Only who may manage the server can do that.")
FORGET_HOW = to_say(
    "Open the menu of a message: *Apps → Forget this*. All that you posted here: "
    "`/forget me:True`. Admins: `/forget everything:True`."
)
FORGET_WHICH = to_say("Which of them shall I forget?")
SURE = to_say(
    "Forget **everything** I remember of this server? {photos}, for ever. Photos that are posted "
    "later are remembered again."
)
KEPT = to_say("Nothing was forgotten.")
ALL_GONE = to_say("What I found is no longer there.")
SOME_GONE = to_say("Of what I found, this is still there:")
PRIVATE_HINT = to_say("With `private` I search all that you may see.")
SHARED_NOTHING = to_say("None of these photos may be seen by everybody here.")
WENT_WRONG = to_say("Something went wrong while I looked. Please try again in a moment.")
SOME = to_say("I remember **{photos}** of this server that you may see")
NONE = to_say("I don't remember any photos yet that you may see here.")
TOO_OLD = to_say("This button is too old. Please ask again.")
NO_LONGER = to_say("That photo is no longer remembered.")
NOT_AN_IMAGE = to_say("That file is no image.")
NOT_A_DATE = to_say("I don't understand the date “{text}”: write 2024, 2024-05 or 2024-05-17.")
ONLY_IN_SERVERS = to_say("I remember the photos of servers: ask me there.")


def plain(text: str, most: int) -> str:
    """Somebody's words for a message: one line, cut, nothing to press, nobody called.

    Discord takes the backslash away from before any punctuation, and reads no markup, mention,
    link, emoji or time in what is escaped so.
    """
    text = one_line(text)
    if len(text) > most:
        text = text[: most - 1].rstrip() + "…"
    return _PUNCTUATION.sub(r"\\\1", text).replace("@", f"@{JOINER}")


def about(hit: Hit, number: int | None, snippet: int = SNIPPET) -> str:
    """Who, when, how well, why and where of a hit."""
    post = hit.photo.post
    who = plain(post.author_name, NAME) or say("somebody")
    parts = [f"**{who}**", moment(post.posted_at)]
    parts += [hit.fit] if hit.fit else []
    if why := hit.besides_meaning:
        parts.append(plain(spoken().listed(why), WORDS))
    if post.link:
        original = say("original")
        parts.append(f"[{original}]({post.link})")
    if hit.copies:
        parts.append(hit.stands_for(lambda name: plain(name, NAME)))
    line = (f"{number}. " if number else "") + " · ".join(parts)
    if post.caption and snippet:
        line += f"\n> {plain(post.caption, snippet)}"
    return line


def lines(hits: Sequence[Hit]) -> str:
    """All of them, numbered if there are several."""
    return "\n".join(
        about(hit, n if len(hits) > 1 else None) for n, hit in enumerate(hits, start=1)
    )


def stats(found: Stats | None) -> str:
    """A guild in numbers, and who posted most, numbered as in the picture."""
    words = in_numbers(None if found is None else found.status, SOME, NONE)
    if found is None or not found.status.photos:
        return words
    lines = [words, *found.ranked(lambda name: plain(name, NAME))]
    if found.notice:
        lines.append(f"-# {plain(found.notice, 400)}")
    return "\n".join(lines)


def names(known: Sequence[Name]) -> str:
    """What a guild calls things."""
    if not known:
        return say(NO_NAMES)
    lines = [f"- {plain(each.name, NAME)}: {photos(each.examples)}" for each in known]
    return "\n".join(lines[:MOST_NAMES] + ["- …"] * (len(lines) > MOST_NAMES))


def verdict(found: Verdict) -> str:
    """What a photo shows, in words and bars."""
    lines = [plain(found.sentence, 300)]
    lines += [f"`{each.bar()}` {each.percent} {plain(each.option, WORDS)}" for each in found.shares]
    if found.notice:
        lines.append(f"-# {plain(found.notice, 600)}")
    return "\n".join(lines)


def moment(when: datetime) -> str:
    """A day as each reader's own client writes it."""
    return f"<t:{int(when.timestamp())}:D>"
