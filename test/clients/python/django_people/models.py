from django.db import models

from .fields import EncryptedTextField


class Person(models.Model):
    id = models.IntegerField(primary_key=True)
    email = EncryptedTextField(unique=True)
    name = EncryptedTextField()
    city = models.TextField(null=True)
    note = EncryptedTextField(null=True)

    class Meta:
        db_table = "person"
