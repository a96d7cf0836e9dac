"""What the browser's own part (web.js) says: it gets the words of the page's language with it."""

from __future__ import annotations

import json

from bot.language import say, to_say

IN_BROWSER = (
    to_say("{file}: larger than 64 MB, the most that is taken."),
    to_say("Remove {file}"),
    to_say("The upload was cut off. Remove the photo and add it again."),
    to_say("The bot can't be reached. Your message is still here: try again in a moment."),
    to_say("The bot can't be reached. Try again in a moment."),
    to_say("Don't reply"),
    to_say("↩ in reply to {person}"),
    to_say("Close"),
    to_say("you"),
    to_say("{people} are here"),
    to_say("{count} people are here"),
    to_say("only you are here"),
    to_say(", "),
)


def for_browser() -> str:
    """An element that holds them in the language that is spoken now."""
    words = json.dumps({text: say(text) for text in IN_BROWSER}, ensure_ascii=False)
    words = words.replace("<", "\\u003c")
    return f'<script type="application/json" id="words">{words}</script>'
