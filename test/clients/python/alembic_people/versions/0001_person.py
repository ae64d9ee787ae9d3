import sqlalchemy as sa
from alembic import op

from sqlalchemy_types import EncryptedText

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "person",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("email", EncryptedText("pii", "searchable"), nullable=False),
        sa.Column("name", EncryptedText("pii"), nullable=False),
        sa.Column("city", sa.Text))
    op.create_index("person_email", "person", ["email"], unique=True)
