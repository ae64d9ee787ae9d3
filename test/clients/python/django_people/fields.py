"""A text field whose column has the type that is asked for."""
import os

from django.db import models


class EncryptedTextField(models.TextField):
    """In an application: db_type returns "encrypted_text('pii')"."""

    def db_type(self, connection):
        return os.environ["FC_TYPE_SEARCHABLE" if self.unique else "FC_TYPE"]
