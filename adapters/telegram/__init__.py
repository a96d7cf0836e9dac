"""Telegram, through python-telegram-bot; its types stop in this folder."""
