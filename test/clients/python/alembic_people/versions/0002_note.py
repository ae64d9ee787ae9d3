import sqlalchemy as sa
from alembic import op

from sqlalchemy_types import EncryptedText

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("person", sa.Column("note", EncryptedText("pii")))


def downgrade():
    op.drop_column("person", "note")
