"""Platforms and their classes: how many devices of each may be connected, how often they ping."""

from models.settings import Settings
from proto import im_pb2

_MOBILE = frozenset({"ios", "ipados", "iphone", "ipad", "android", "harmony", "mobile"})
_DESKTOP = frozenset({"windows", "macos", "mac", "linux", "desktop"})


def class_of(platform: str) -> im_pb2.DeviceClass:
    """The class of a platform's name in any case; names we do not know count as browsers."""
    name = platform.lower()
    if name in _MOBILE:
        return im_pb2.MOBILE
    return im_pb2.DESKTOP if name in _DESKTOP else im_pb2.WEB


def connections_max(settings: Settings, class_: int) -> int:
    """How many devices of the class one user may have connected."""
    caps: dict[int, int] = {
        im_pb2.WEB: settings.devices_web_max,
        im_pb2.MOBILE: settings.devices_mobile_max,
        im_pb2.DESKTOP: settings.devices_desktop_max,
    }
    return caps[class_]


def heartbeat_s(settings: Settings, class_: int) -> int:
    """How often clients of the class are advised to ping."""
    intervals: dict[int, int] = {
        im_pb2.WEB: settings.heartbeat_web_s,
        im_pb2.MOBILE: settings.heartbeat_mobile_s,
        im_pb2.DESKTOP: settings.heartbeat_desktop_s,
    }
    return intervals[class_]
