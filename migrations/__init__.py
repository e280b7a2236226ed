"""Schema of every configured database: Alembic revisions, then the shard map.

`python -m migrations` may be run at any time, as often as one likes.
"""
