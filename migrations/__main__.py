"""`python -m migrations`: bring every database to the newest schema and complete the shard map."""

from migrations.run import migrate
from models.settings import Settings

if __name__ == "__main__":
    for line in migrate(Settings()):
        print(line)
