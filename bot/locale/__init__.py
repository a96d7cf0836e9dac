"""Catalogs of what the bot says (docs/translating.md); `python -m bot.locale` brings them up to
date with the code."""
