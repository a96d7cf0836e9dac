"""The images in a message: attached, forwarded, or shown by Discord for a posted link."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from discord import Attachment, Embed, Message

from adapters.discord.originals import IMAGE_ENDINGS, link_key


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a message, with the addresses that lead to it today."""

    key: str
    """The attachment's id; of a link's image, a hash of the link."""
    name: str
    url: str
    """What Discord renders. Of an attachment it is signed and expires in about a day
    (https://docs.discord.com/developers/reference#signed-attachment-cdn-urls)."""
    source: str
    """Where its bytes are fetched: Discord's servers, also for links to other hosts."""
    proxy: str
    """Where Discord makes smaller renditions of it."""
    size: int = 0
    """Bytes; 0 if Discord does not tell."""
    width: int | None = None
    height: int | None = None
    spoiler: bool = False


def pictures_in(message: Message) -> list[Picture]:
    """All images of a message; a forward's are those of what was forwarded."""
    found = list(_pictures(message.attachments, message.embeds))
    for snapshot in message.message_snapshots:
        found += _pictures(snapshot.attachments, snapshot.embeds)
    return list({picture.key: picture for picture in found}.values())


def picture_of(attachment: Attachment) -> Picture | None:
    """An attachment as a picture; None for other files."""
    kind = attachment.content_type or ""
    ending = PurePath(attachment.filename).suffix.lower()
    if not (kind.startswith("image/") or ending in IMAGE_ENDINGS) or "svg" in kind:
        return None
    return Picture(
        key=str(attachment.id),
        name=attachment.filename,
        url=attachment.url,
        source=attachment.url,
        proxy=attachment.proxy_url,
        size=attachment.size,
        width=attachment.width,
        height=attachment.height,
        spoiler=attachment.is_spoiler(),
    )


def _pictures(attachments: Sequence[Attachment], embeds: Sequence[Embed]) -> Iterator[Picture]:
    for attachment in attachments:
        if (picture := picture_of(attachment)) is not None:
            yield picture
    for embed in embeds:
        if (picture := _picture_of_link(embed)) is not None:
            yield picture


def _picture_of_link(embed: Embed) -> Picture | None:
    """The image that a posted link leads to, from Discord's proxy and never from that host."""
    image = embed.image if embed.image.proxy_url else embed.thumbnail
    if embed.type != "image" or not embed.url or not image.proxy_url:
        return None
    return Picture(
        key=link_key(embed.url),
        name=PurePath(embed.url.partition("?")[0]).name,
        url=image.url or embed.url,
        source=image.proxy_url,
        proxy=image.proxy_url,
        width=image.width,
        height=image.height,
    )
