"""How tables belong together: by group and by id."""

ON_POST = "posts.group_id = photos.group_id AND posts.id = photos.post_id"


def of_photo(table: str) -> str:
    """How a table's rows belong to photos."""
    return f"{table}.group_id = photos.group_id AND {table}.photo_id = photos.id"
