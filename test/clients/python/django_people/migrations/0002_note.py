from django.db import migrations
from django_people.fields import EncryptedTextField


class Migration(migrations.Migration):
    dependencies = [("django_people", "0001_person")]
    operations = [migrations.AddField("person", "note", EncryptedTextField(null=True))]
