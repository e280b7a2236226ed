"""What is generated from the code for people who write clients: `python -m dev.docs`.

`docs/protocol.md` holds tables between markers, `docs/openapi.json` is generated as a whole.
"""
