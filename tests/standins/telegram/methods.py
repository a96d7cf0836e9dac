"""The Bot API's other methods: who is where, files, commands, answers to presses."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from tests.standins.telegram.model import CallbackAnswer, Chat, InlineAnswer, member_json
from tests.standins.telegram.rules import Json, bad, caption, keyboard, message_text, units
from tests.standins.telegram.sending import Sending, Upload, truth, whole
from tests.standins.telegram.state import IN_CHAT, State

Method = Callable[[Json, dict[str, Upload]], Any]

SCOPES = (
    "default all_private_chats all_group_chats all_chat_administrators chat chat_administrators "
    "chat_member"
).split()


class Methods(Sending):
    """All methods that answer at once."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        names = (
            "sendMessage sendPhoto sendDocument sendMediaGroup sendChatAction editMessageText "
            "editMessageCaption editMessageReplyMarkup deleteMessage getMe getFile getChat "
            "getChatMember getChatAdministrators getChatMemberCount leaveChat answerCallbackQuery "
            "answerInlineQuery setMyCommands getMyCommands deleteMyCommands setMyDescription "
            "setMyShortDescription getMyDescription getMyShortDescription"
        ).split()
        self.table: dict[str, tuple[str, Method]] = {}
        for name in names:
            snake = re.sub("[A-Z]", lambda match: "_" + match[0].lower(), name)
            self.table[name.lower()] = (name, getattr(self, snake))

    # --- the bot itself

    def get_me(self, _params: Json, _uploads: dict[str, Upload]) -> Json:
        return self._state.bot.json | {
            "can_join_groups": True,
            "can_read_all_group_messages": not self._state.privacy,
            "supports_inline_queries": self._state.inline,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }

    def set_my_commands(self, params: Json, _uploads: dict[str, Upload]) -> bool:
        commands = params.get("commands")
        if not isinstance(commands, list):
            raise bad("can't parse commands JSON object")
        if len(commands) > 100:
            raise bad("BOT_COMMANDS_TOO_MUCH")
        for command in commands:
            if not re.fullmatch("[a-z0-9_]{1,32}", str(command.get("command", ""))):
                raise bad("BOT_COMMAND_INVALID")
            if not 1 <= units(str(command.get("description", "")).strip()) <= 256:
                raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        self._state.commands[self._scope(params)] = commands
        return True

    def get_my_commands(self, params: Json, _uploads: dict[str, Upload]) -> list[Json]:
        return self._state.commands.get(self._scope(params), [])

    def delete_my_commands(self, params: Json, _uploads: dict[str, Upload]) -> bool:
        self._state.commands.pop(self._scope(params), None)
        return True

    def _scope(self, params: Json) -> str:
        scope: Any = params.get("scope") or {"type": "default"}
        if not isinstance(scope, dict) or scope.get("type") not in SCOPES:
            raise bad("can't parse BotCommandScope: unsupported type specified")
        kind = str(scope["type"])
        if kind.startswith("chat"):
            self._state.chat_of(scope.get("chat_id"))
        language = params.get("language_code")
        if language and not re.fullmatch("[a-z]{2}", str(language)):
            raise bad("invalid language code specified")
        return f"{kind}:{language}" if language else kind

    def set_my_description(self, params: Json, _uploads: dict[str, Upload]) -> bool:
        return self._describe("description", params, 512)

    def set_my_short_description(self, params: Json, _uploads: dict[str, Upload]) -> bool:
        return self._describe("short_description", params, 120)

    def get_my_description(self, _params: Json, _uploads: dict[str, Upload]) -> Json:
        return {"description": self._state.descriptions.get("description", "")}

    def get_my_short_description(self, _params: Json, _uploads: dict[str, Upload]) -> Json:
        return {"short_description": self._state.descriptions.get("short_description", "")}

    def _describe(self, name: str, params: Json, most: int) -> bool:
        text = str(params.get(name) or "")
        if units(text) > most:
            raise bad(f"bot {name.replace('_', ' ')} is too long")
        self._state.descriptions[name] = text
        return True

    # --- files and chats

    def get_file(self, params: Json, _uploads: dict[str, Upload]) -> Json:
        return self._state.files.prepare(params.get("file_id"))

    def get_chat(self, params: Json, _uploads: dict[str, Upload]) -> Json:
        chat = self._state.chat_of(params.get("chat_id"))
        gifts = (
            "unlimited_gifts limited_gifts unique_gifts premium_subscription gifts_from_channels"
        ).split()
        full: Json = chat.json | {
            "accent_color_id": abs(chat.id) % 7,
            "max_reaction_count": 11,
            "accepted_gift_types": dict.fromkeys(gifts, chat.owner is not None),
        }
        if chat.owner is not None:
            return full
        if chat.protected:
            full["has_protected_content"] = True
        if self._state.members_hidden:
            full["has_hidden_members"] = True
        rights = (
            "can_send_messages can_send_audios can_send_documents can_send_photos can_send_videos "
            "can_send_video_notes can_send_voice_notes can_send_polls can_send_other_messages "
            "can_add_web_page_previews can_change_info can_invite_users can_pin_messages "
            "can_manage_topics can_edit_tag can_react_to_messages"
        )
        return full | {"permissions": dict.fromkeys(rights.split(), True)}

    def get_chat_member(self, params: Json, _uploads: dict[str, Upload]) -> Json:
        state = self._state
        chat = state.chat_of(params.get("chat_id"))
        if not params.get("user_id"):
            raise bad("invalid user_id specified")
        user = state.users.get(whole(params["user_id"], "user_id"))
        if user is None or (chat.owner is not None and user not in (chat.owner, state.bot)):
            raise bad("PARTICIPANT_ID_INVALID" if chat.kind == "supergroup" else "user not found")
        if chat.owner is not None:
            return member_json("member", user)
        if state.members_hidden and user is not state.bot and not state.is_bot_admin(chat):
            raise bad("member list is inaccessible")
        return state.member(chat, user)

    def get_chat_administrators(self, params: Json, _uploads: dict[str, Upload]) -> list[Json]:
        chat = self._group(params)
        admins = [n for n, status in chat.members.items() if status in IN_CHAT[:2]]
        users = [self._state.users[number] for number in admins]
        return [
            self._state.member(chat, user)
            for user in users
            if not user.is_bot or user is self._state.bot
        ]

    def get_chat_member_count(self, params: Json, _uploads: dict[str, Upload]) -> int:
        return sum(status in IN_CHAT for status in self._group(params).members.values())

    def leave_chat(self, params: Json, _uploads: dict[str, Upload]) -> bool:
        chat = self._state.chat_of(params.get("chat_id"))
        if chat.owner is not None:
            raise bad("chat member status can't be changed in private chats")
        self._state.set_member(chat, self._state.bot, "left", self._state.bot)
        return True

    def _group(self, params: Json) -> Chat:
        chat = self._state.chat_of(params.get("chat_id"))
        if chat.owner is not None:
            raise bad("there are no administrators in the private chat")
        return chat

    # --- presses and inline questions

    def answer_callback_query(self, params: Json, _uploads: dict[str, Upload]) -> bool:
        text = str(params.get("text") or "")
        if units(text) > 200:
            raise bad("MESSAGE_TOO_LONG")
        answer = CallbackAnswer(text, truth(params.get("show_alert")))
        self._state.answer_callback(params.get("callback_query_id"), answer)
        return True

    def answer_inline_query(self, params: Json, _uploads: dict[str, Upload]) -> bool:
        results = params.get("results")
        if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
            raise bad("can't parse JSON encoded inline query results")
        if len(results) > 50:
            raise bad("RESULTS_TOO_MUCH")
        numbers = [str(result.get("id", "")) for result in results]
        if not all(1 <= len(number.encode()) <= 64 for number in numbers):
            raise bad("RESULT_ID_INVALID")
        if len(set(numbers)) < len(numbers):
            raise bad("RESULT_ID_DUPLICATE")
        if units(str(params.get("next_offset") or "")) > 64:
            raise bad("NEXT_OFFSET_INVALID")
        for result in results:
            self._check_result(result)
        asked_at, answer = self._state.inline_answers.get(
            str(params.get("inline_query_id")), (0.0, None)
        )
        late = time.monotonic() - asked_at > self._state.callback_seconds
        if answer is None or answer.done() or late:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        cache_time = whole(params.get("cache_time", 300), "cache_time")
        answer.set_result(InlineAnswer(results, truth(params.get("is_personal")), cache_time))
        return True

    def _check_result(self, result: Json) -> None:
        kind = result.get("type")
        if kind in ("photo", "document") and f"{kind}_file_id" in result:
            self._state.files.find(result[f"{kind}_file_id"], kind)
        elif kind == "photo" and not (result.get("photo_url") and result.get("thumbnail_url")):
            raise bad('can\'t find field "photo_url"')
        elif kind == "article" and "input_message_content" not in result:
            raise bad('can\'t find field "input_message_content"')
        elif kind not in ("photo", "article"):
            raise bad("invalid inline query result specified")
        if kind in ("document", "article") and not result.get("title"):
            raise bad('can\'t find field "title"')
        caption(str(result.get("caption") or ""), result.get("parse_mode"))
        content: Any = result.get("input_message_content") or {}
        if "message_text" in content:
            message_text(str(content["message_text"]), content.get("parse_mode"))
        keyboard(result.get("reply_markup"))
