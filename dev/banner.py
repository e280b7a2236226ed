"""What `make run` prints when the platform is up: the addresses and a first message to try."""

TEMPLATE = """
------------------------------------------------------------------------------
The platform is up. Ctrl-C stops it; the data stays in var/.

{addresses}
{first_message}------------------------------------------------------------------------------
"""

FIRST_MESSAGE = r"""
A first message, from alice to bob (copy all of it into another terminal):

  UC={usercenter}
  WEB={web}
  call() {{ curl -s{trust} "$1" -H 'Content-Type: application/json' -d "$2" "${{@:3}}"; }}
  login() {{ call $UC/login "$1" | sed 's/.*"token": *"\([^"]*\)".*/\1/'; }}

  ALICE='{{"user":"alice","password":"secret-a","name":"Alice"}}'
  BOB='{{"user":"bob","password":"secret-b","name":"Bob"}}'
  call $UC/signup "$ALICE"; call $UC/signup "$BOB"

  call $WEB/im/send \
    '{{"receiver":"bob","sequence":"1","content":{{"text":{{"text":"hello"}}}}}}' \
    -H "Authorization: Bearer $(login "$ALICE")"; echo
  call $WEB/comet '{{"since":0}}' -H "Authorization: Bearer $(login "$BOB")"; echo
"""


def banner(addresses: dict[str, str], *, usercenter: str, web: str, certificate: str = "") -> str:
    """The text; without a `usercenter` of ours, the first message is left out."""
    trust = f" --cacert '{certificate}'" if certificate else ""
    lines = "\n".join(f"  {name:<12} {address}" for name, address in addresses.items())
    first = FIRST_MESSAGE.format(usercenter=usercenter, web=web, trust=trust) if usercenter else ""
    return TEMPLATE.format(addresses=lines, first_message=first)
