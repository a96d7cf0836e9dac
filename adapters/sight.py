"""What one person may see of a group's photos, anywhere but in the group itself."""

from __future__ import annotations

from dataclasses import dataclass

from bot.photos import Audience, Group, StoredPhoto


@dataclass(frozen=True, slots=True)
class Sight:
    """A group of which somebody may see photos, and of which of them."""

    group: Group
    audience: Audience

    def has(self, photo: StoredPhoto) -> bool:
        """Whether that is one of them."""
        post, channels = photo.post, self.audience.channels
        return (
            post.group == self.group.id
            and photo.refused is None
            and (channels is None or post.channel in channels)
            and (self.audience.protected or not post.protected)
        )
