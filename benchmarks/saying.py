"""What people of the drawn group say: captions, signs, replies, and chatter that misleads."""

from __future__ import annotations

from random import Random

from bot.starter.captions import caption as description
from bot.starter.scenes import Scene

NAMES = tuple(
    """Bruno Nora Tom Mia Jonas Felix Leyla Matteo Priya Oskar Greta Yusuf Ingrid Pablo Zoe Emre
    Katya Henrik Amara Luca Fatima Nils Olga Ravi Selma Diego Hanne Kofi Maren Ivo Tilda Arjun
    Beata Cosmo Dunja Edgar Frieda Gustav Halima Ilya Jasper Kerstin Lorenz Mabel Nadim Odile
    Piet Quentin Rosalie Sven Thea Umberto Valeska Wanda Xavier Yara Zeno Anouk Bogdan
    Clelia""".split()
)
NAMES_ZH = ("李雷", "韩梅梅", "小明", "奶奶", "王芳", "阿强", "小丽", "表哥", "刘洋", "外婆")
PLACES = tuple(
    """Lisbon Kyoto Tromsø Bergamo Gdansk Oaxaca Tbilisi Zermatt Porto Utrecht Dresden Valletta
    Cusco Hanoi Aarhus Bristol Cadiz Dakar Essaouira Fez Graz Hobart Izmir Jaipur Kazan Leipzig
    Malmö Nantes Odessa Palermo Quito Riga Sofia Turku Uppsala Vilnius Windhoek Yerevan Zadar
    Amalfi Bodrum Chania Durban Ennis Funchal Girona Haifa Innsbruck Jeju Kotor""".split()
)
PLACES_ZH = ("成都", "上海", "苏州", "西湖", "桂林", "拉萨", "青岛", "厦门")
EVENTS = tuple(
    """rehearsal graduation housewarming marathon wedding reunion barbecue auction exhibition
    farewell christening regatta fieldtrip quiznight karaoke inspection removal harvest
    fundraiser workshop""".split()
)
SIGNS = tuple(
    """AKAI NORDLICHT VESPUCCI BRAUN KONDITOREI FILMHAUS TELEFUNKEN ROBOTRON GLASHÜTTE MELITTA
    PENTACON STOLLWERCK BAHLSEN ZÜNDAPP SIMSON LAMBRETTA OLIVETTI CASIO YASHICA MINOLTA GRUNDIG
    SABA NORDMENDE BLAUPUNKT STABILO MOLESKINE LEITZ TUPPERWARE THERMOS PFAFF""".split()
)
COMMON_SIGNS = ("SALE", "OPEN", "EXIT", "TAXFREE", "NEW")
CHATTER = (
    "good night everybody",
    "what a day",
    "happy birthday!!",
    "the sun is out again",
    "let's have coffee later",
    "you are a star",
    "key moment",
    "snow is coming, they say",
    "straight to my heart",
    "beach or mountain this year?",
    "look at this",
    "who is on the bus already",
    "call me, my camera is dead",
    "home at last",
    "大家晚安",
    "今天真开心",
    "晚上一起喝咖啡吗",
)
"""Words of things that are not in the photo."""
REPLIES = ("haha", "nice one", "so good", "where was that?", "好可爱", "love it", "again please")


def common_words() -> str:
    """All that is said of no photo in particular, as one text."""
    return " ".join((*CHATTER, *REPLIES, *COMMON_SIGNS))


def caption(scene: Scene, rng: Random) -> str:
    """A third of captions say what can be seen, a quarter is chatter, the rest tells news."""
    kind = rng.random()
    if kind < 0.3:
        return description(scene, "zh" if rng.random() < 0.4 else "en", rng)
    if kind < 0.55:
        return rng.choice(CHATTER)
    thing = rng.choice(scene.things).concept
    if rng.random() < 0.3:
        who, where = rng.choice(NAMES_ZH), rng.choice(PLACES_ZH)
        return rng.choice((f"{who}的{thing.zh[0]}", f"{who}在{where}", f"{where}一日游"))
    who, where, event = _who(rng), rng.choice(PLACES), rng.choice(EVENTS)
    return rng.choice(
        (
            f"{who} and the {thing.name}",
            f"{who} in {where}",
            f"the {event} in {where}",
            f"{who}'s {event}",
            f"{who} at last",
        )
    )


def sign(rng: Random) -> str:
    """What is painted into a photo: a brand, a licence plate, something that hangs everywhere."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(SIGNS)
    if kind < 0.7:
        letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
        return f"{rng.choice(letters)}{rng.choice(letters)} {rng.randint(1000, 9999)}"
    return rng.choice(COMMON_SIGNS)


def reply(rng: Random) -> str:
    """What somebody answers under a photo."""
    kind = rng.random()
    if kind < 0.45:
        return rng.choice(REPLIES)
    who, where, event = _who(rng), rng.choice(PLACES), rng.choice(EVENTS)
    return rng.choice(
        (
            f"is that {who}?",
            f"{who} would love this",
            f"{where}, last spring",
            f"that was at {who}'s {event}",
            f"{rng.choice(NAMES_ZH)}会喜欢的",
        )
    )


def _who(rng: Random) -> str:
    """Some people are mentioned often, most rarely (Zipf's law)."""
    return rng.choices(NAMES, [1 / (n + 2) for n in range(len(NAMES))])[0]
