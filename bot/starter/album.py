"""The demo group's album: who posted which drawn scene when, and what they said."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from bot.starter import fonts
from bot.starter.concepts import concept
from bot.starter.fonts import EmojiFont
from bot.starter.scenes import BACKDROPS, Backdrop, Painter, arrange

SIDE = 480
"""Width and height of a scene in pixels."""
DAYS = 730
"""From the first post to the last."""
SEED = 11

# who; what the scene shows; before what; caption
ALBUM = """
Mia; dog; on the grass; first walk with Bruno
Jonas; coffee, croissant; on a wooden table;
李雷; dumpling; on a wooden table; 奶奶包的饺子
Mia; birthday cake; on a wooden table; Jonas turns thirty!
Jonas; gift, balloon; ;
Mia; sailboat; on a beach;
李雷; watermelon; on a beach; 夏天到了
Jonas; bicycle; by a brick wall; new bike, finally
Mia; cat; ;
Jonas; pizza; on a wooden table;
李雷; bullet train; on the grass; 去上海的火车
Mia; jack-o'-lantern, ghost; at night; trick or treat
Jonas; guitar; by a brick wall; rehearsal
李雷; panda; on the grass; 成都
Mia; snowman; in the snow;
Jonas; Christmas tree, gift; ; merry christmas everybody
李雷; fireworks; at night; 新年快乐
Jonas; skis; in the snow;
Mia; baby; ; welcome, little Nora
李雷; noodles; on a wooden table;
Mia; tulip; on the grass;
Jonas; car; by a brick wall; it passed the inspection!
李雷; tent; at night; camping, day one
Mia; dog, soccer ball; on the grass;
Jonas; birthday cake, balloon; ; Mia's party
Mia; strawberry; on a wooden table; from our own garden
李雷; umbrella; ; 下雨了
Jonas; castle; at sunset;
Mia; cat, ball of yarn; ; she found the wool
李雷; crab; on a beach;
Jonas; hamburger, french fries; on a wooden table;
Mia; rainbow; on the grass;
李雷; full moon; at night; 中秋节
Jonas; fox; in the snow; seen from the kitchen window
Mia; violin; ; Nora's first lesson
李雷; teapot; on a wooden table; 新茶
Jonas; horse; on the grass;
Mia; sunflower; ;
李雷; birthday cake; by a brick wall; 李雷的生日
Jonas; dog; on a beach; Bruno at the sea
Mia; airplane; ; off we go
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """One post of the demo group."""

    author: str
    caption: str
    shows: tuple[str, ...]
    """First English names of the concepts."""
    posted_at: datetime
    jpeg: bytes

    @property
    def name(self) -> str:
        """A file's name, as a telephone would give it."""
        return f"IMG_{self.posted_at:%Y%m%d_%H%M}.jpg"


def album(now: datetime) -> Iterator[Picture]:
    """All of them, oldest first, the last one yesterday. Raises NoEmojiFont."""
    font = EmojiFont(fonts.find())
    lines = [line.split(";") for line in ALBUM.strip().splitlines()]
    shown = {name.strip() for _, shows, _, _ in lines for name in shows.split(",")}
    emoji = {each for name in shown for each in concept(name).emoji}
    sprites = {each: s for each in emoji if (s := font.sprite(each)) is not None}
    painter, rng = Painter(sprites), Random(SEED)  # noqa: S311
    places: dict[str, Backdrop] = {backdrop.en: backdrop for backdrop in BACKDROPS}
    for number, (author, shows, place, caption) in enumerate(lines):
        named = tuple(name.strip() for name in shows.split(","))
        scene = arrange(rng, [concept(name) for name in named], places[place.strip()], painter.has)
        file = io.BytesIO()
        painter.draw(scene, SIDE).save(file, "JPEG", quality=88)
        days = DAYS * (1 - number / (len(lines) - 1)) + 1
        minutes = rng.randint(-240, 240)
        posted_at = now - timedelta(days=days, minutes=minutes)
        yield Picture(author.strip(), caption.strip(), named, posted_at, file.getvalue())
