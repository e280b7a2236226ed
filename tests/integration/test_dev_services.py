"""Private servers keep to themselves."""

from pathlib import Path

from dev.services import MariaDB


def test_each_mariadb_keeps_its_temporary_tables_to_itself(mariadb: MariaDB) -> None:
    """A starting MariaDB deletes `#sql*` in its tmpdir, another's tables in use included."""
    ((folder,),) = mariadb.execute("SELECT @@tmpdir")
    assert Path(str(folder)).is_relative_to(mariadb.root)
