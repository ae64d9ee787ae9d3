"""A text type of SQLAlchemy whose column has the type that is asked for."""
import os

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.compiler import compiles


class EncryptedText(Text):
    """EncryptedText('pii') or EncryptedText('pii', 'searchable')."""

    def __init__(self, *modifiers):
        super().__init__()
        self.modifiers = [m.strip("'") for m in modifiers]  # reflection leaves the quotes


@compiles(EncryptedText, "postgresql")
def compile_encrypted_text(element, compiler, **kw):
    """In an application: "encrypted_text(%s)" % ", ".join(f"'{m}'" for m in element.modifiers)."""
    return os.environ["FC_TYPE_SEARCHABLE" if "searchable" in element.modifiers else "FC_TYPE"]


# What reflection takes a column of the type for; Alembic's autogenerate compares it.
ischema_names["encrypted_text"] = EncryptedText
