"""Discord, through discord.py; its types stop in this folder."""
