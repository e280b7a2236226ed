"""The `im` command: its arguments, and what it prints when something goes wrong."""

import argparse
import asyncio
import contextlib
import getpass
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from im_client.errors import Closed, MaybeSent, NotConnected, Refused, ServerError, StoreInUse
from im_client.media import Uploader
from im_client.terminal import plain, profile, uploads
from im_client.terminal.chat import chat
from im_client.terminal.context import Context
from im_client.terminal.screen import clean
from im_client.terminal.texts import Texts, language_of
from im_client.terminal.watch import watch

GROUP_ACTIONS = ("create", "join", "leave", "invite", "remove", "members")


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    top = argparse.ArgumentParser(prog="im", description="Instant messaging in a terminal.")
    top.add_argument("--home", help="folder for the login and the messages (IM_HOME, ~/.im)")
    top.add_argument("--lang", choices=("en", "zh"), help="language; default: the locale's")
    sub = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    login = sub.add_parser("login", help="log in at a user centre")
    login.add_argument("url", help="address of the user centre, http(s)://…")
    login.add_argument("--user", required=True)
    login.add_argument(
        "--server",
        action="append",
        required=True,
        help="tls://, tcp://, wss://, ws://, https:// or http://; again for a fallback",
    )
    login.add_argument("--ca", default="", help="PEM file to trust")
    sub.add_parser("logout", help="forget the login; messages stay")
    sub.add_parser("list", help="conversations, with what is unread")
    for name, text in (("chat", "talk"), ("history", "older messages"), ("send", "send a text")):
        one = sub.add_parser(name, help=text)
        _add_peer(one)
        if name == "history":
            one.add_argument("-n", type=int, default=50, help="how many (50)")
        if name == "send":
            one.add_argument("text")
        if name == "chat":
            _add_upload(one)
    file = sub.add_parser("send-file", help="send a file")
    _add_peer(file)
    file.add_argument("path", type=Path)
    _add_upload(file)
    outbox = sub.add_parser("outbox", help="what waits to be sent, or was refused")
    outbox.add_argument("--forget", metavar="KEY", default="", help="take it back; a part will do")
    groups = sub.add_parser("groups", help="your groups; or change one")
    groups.add_argument("action", nargs="?", choices=GROUP_ACTIONS)
    groups.add_argument("words", nargs="*", help="NAME or #ID, then users")
    seen = sub.add_parser("watch", help="raw frames")
    seen.add_argument("--whole", action="store_true", help="do not cut lines at the screen")
    seen.add_argument("--seconds", type=float, default=0, help="end after so long")
    return top


def _add_peer(one: argparse.ArgumentParser) -> None:
    one.add_argument("peer", help="a user, or #ID of a group")
    one.add_argument("--group", action="store_true", help="the peer is a group's id")


def _add_upload(one: argparse.ArgumentParser) -> None:
    where = one.add_mutually_exclusive_group()
    where.add_argument("--ref", help="the file is stored already, under this key or https URL")
    where.add_argument("--upload", help="command that stores the file and prints its reference")
    where.add_argument("--upload-url", help='address to POST it to; answers {"ref": …}')


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code: 0, 1 for a failure, 2 for what waits in the outbox."""
    args = parser().parse_args(arguments)
    say = Texts(args.lang or language_of())
    home = profile.home_of(args.home)
    if args.command == "login":
        return _login(args, say, home)
    found = profile.load(home)
    if found is None:
        return _fail(say("log_in_first"))
    if args.command == "logout":
        profile.forget(home)
        print(say("logged_out"))
        return 0
    context = Context(home, found, say, uploader=_uploader(args, found.ca))
    return _run(_job(args, context), context)


def _login(args: argparse.Namespace, say: Texts, home: Path) -> int:
    if sys.stdin.isatty():
        password = getpass.getpass(say("password", user=args.user))
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        token = profile.fetch_token(args.url, args.user, password, args.ca)
    except profile.LoginFailed as error:
        return _fail(say("wrong_login", why=clean(str(error))))
    except profile.Unreachable as error:
        return _fail(say("no_user_centre", url=args.url, why=error))
    profile.save(home, profile.Profile(args.user, token, args.url, args.server, args.ca))
    print(say("logged_in", user=args.user))
    return 0


def _uploader(args: argparse.Namespace, ca: str) -> Uploader | None:
    if getattr(args, "ref", None):
        return uploads.by_reference(args.ref)
    if getattr(args, "upload", None):
        return uploads.by_command(args.upload)
    if getattr(args, "upload_url", None):
        return uploads.by_address(args.upload_url, ca)
    return None


def _job(args: argparse.Namespace, context: Context) -> Coroutine[Any, Any, int]:
    if args.command == "list":
        return plain.list_contacts(context)
    if args.command == "outbox":
        return plain.list_outbox(context, args.forget)
    if args.command == "watch":
        return watch(context, args.whole, args.seconds)
    if args.command == "groups":
        if args.action is None:
            return plain.list_groups(context)
        if not args.words:
            parser().error(f"groups {args.action}: a name or an id is needed")
        return plain.change_group(context, args.action, args.words)
    target = plain.target_of(args.peer, args.group)
    if args.command == "history":
        return plain.show_history(context, target, args.n)
    if args.command == "send":
        return plain.send(context, target, args.text)
    if args.command == "send-file":
        return plain.send_file(context, target, args.path)
    return chat(context, target)


def _run(job: Coroutine[Any, Any, int], context: Context) -> int:
    say = context.say
    try:
        with contextlib.suppress(KeyboardInterrupt):
            return asyncio.run(job)
        return 0
    except StoreInUse:
        return _fail(say("store_in_use", user=context.profile.user))
    except Closed as error:
        if error.name == "KICKED":
            return _fail(say("kicked"))
        return _fail(say("log_in_again", name=error.name))
    except MaybeSent:
        return _fail(say("may_be_there"))
    except Refused as error:
        return _fail(say("not_sent", why=error.name))
    except ServerError as error:
        return _fail(say("refused", why=error))
    except NotConnected as error:
        return _fail(say("not_connected", why=error.args[0]))
    except uploads.UploadFailed as error:
        return _fail(say("upload_failed", why=error))


def _fail(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
