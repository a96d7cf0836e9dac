"""The commands that the bot knows in Telegram; needs no SDK."""

KNOWN = (
    *("find", "similar", "forget", "stats", "help", "start"),
    *("name", "names", "unname", "which", "language", "optout", "optin", "memories"),
)
