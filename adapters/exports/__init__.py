"""Exports that other programs make of chats: Telegram Desktop's and DiscordChatExporter's."""
