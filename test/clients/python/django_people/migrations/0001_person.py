from django.db import migrations, models
from django_people.fields import EncryptedTextField


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            name="Person",
            fields=[
                ("id", models.IntegerField(primary_key=True, serialize=False)),
                ("email", EncryptedTextField(unique=True)),
                ("name", EncryptedTextField()),
                ("city", models.TextField(null=True)),
            ],
            options={"db_table": "person"},
        ),
    ]
