"""What the terminal client says, in English and Chinese."""

import os
from collections.abc import Mapping

ENGLISH = {
    "password": "Password for {user}: ",
    "logged_in": "Logged in as {user}.",
    "logged_out": "Logged out; the messages stay in this folder.",
    "log_in_first": "Log in first: im login USER_CENTRE_URL --user NAME --server ENDPOINT",
    "log_in_again": "The server does not take the token ({name}): log in again.",
    "wrong_login": "The user centre refused: {why}",
    "no_user_centre": "The user centre at {url} cannot be reached: {why}",
    "store_in_use": "Another im has the messages of {user} open: close it first.",
    "not_connected": "No connection to the server: {why}",
    "refused": "The server refused: {why}",
    "offline_list": "(offline: what was here last)",
    "no_contacts": "No conversations yet.",
    "no_groups": "You are in no group.",
    "no_messages": "No messages yet.",
    "sent": "Sent to {peer}.",
    "waiting": "No connection: it waits in the outbox and is sent by the next im.",
    "not_sent": "✗ not sent: {why}",
    "group_made": "Group {group} was made.",
    "joined": "You are in {group}.",
    "asked": "Asked to join {group}: owner and admins decide.",
    "done": "Done.",
    "recalled": "recalled a message",
    "has_read": "{who} has read this",
    "members": "{count} members",
    "member_one": "1 member",
    "unread": "unread",
    "mention": "@you",
    "muted": "muted",
    "owner": "owner",
    "admin": "admin",
    "you": "you",
    "online": "── connected ({transport}) ──",
    "offline": "── connection lost, trying again ──",
    "kicked": "Ended: another device took this one's place.",
    "chat_help": "/more older  /recall your last  /file PATH  /quit   anything else is sent",
    "nothing_to_recall": "Nothing of yours here to recall.",
    "unknown": "No such command: {line}   (/help)",
    "no_upload": "Say where files go: --ref, --upload COMMAND or --upload-url URL",
    "upload_failed": "The upload failed: {why}",
    "no_file": "No such file: {path}",
    "watching": "Watching frames of {user} at {url}; Ctrl-C ends it.",
    "image": "[image] {name}",
    "voice": "[voice {seconds} s] {name}",
    "video": "[video] {name}",
    "file": "[file] {name} ({size})",
    "location": "[location] {name}",
    "card": "[card] {name}",
    "custom": "[{name}]",
    "CREATED": "{actor} made the group",
    "EDITED": "{actor} changed the group",
    "JOINED": "{users} joined",
    "INVITED": "{actor} brought in {users}",
    "LEFT": "{actor} left",
    "REMOVED": "{actor} took out {users}",
    "ROLE": "{actor} changed the role of {users}",
    "TRANSFERRED": "{users} owns the group now",
    "DISBANDED": "{actor} ended the group",
    "MUTED": "{actor} muted {users}",
}

CHINESE = {
    "password": "{user} 的密码：",
    "logged_in": "已登录：{user}。",
    "logged_out": "已退出登录；消息仍保留在本地。",
    "log_in_first": "请先登录：im login 用户中心网址 --user 用户名 --server 服务器地址",
    "log_in_again": "服务器不接受该令牌（{name}），请重新登录。",
    "wrong_login": "用户中心拒绝了登录：{why}",
    "no_user_centre": "无法连接用户中心 {url}：{why}",
    "store_in_use": "另一个 im 正在使用 {user} 的消息，请先关闭它。",
    "not_connected": "没有连接到服务器：{why}",
    "refused": "服务器拒绝：{why}",
    "offline_list": "（离线：上次的内容）",
    "no_contacts": "还没有会话。",
    "no_groups": "你还没有加入群。",
    "no_messages": "还没有消息。",
    "sent": "已发送给 {peer}。",
    "waiting": "没有连接：消息在发件箱中，下次运行 im 时发送。",
    "not_sent": "✗ 发送失败：{why}",
    "group_made": "已建群 {group}。",
    "joined": "你已在群 {group} 中。",
    "asked": "已申请加入 {group}，等待群主或管理员同意。",
    "done": "完成。",
    "recalled": "撤回了一条消息",
    "has_read": "{who} 已读",
    "members": "{count} 人",
    "member_one": "1 人",
    "unread": "未读",
    "mention": "@你",
    "muted": "免打扰",
    "owner": "群主",
    "admin": "管理员",
    "you": "你",
    "online": "── 已连接（{transport}）──",
    "offline": "── 连接断开，正在重连 ──",
    "kicked": "已下线：另一台设备登录。",
    "chat_help": "/more 更早  /recall 撤回上一条  /file 路径  /quit 退出   其他内容直接发送",
    "nothing_to_recall": "这里没有可撤回的消息。",
    "unknown": "没有这个命令：{line}   （/help）",
    "no_upload": "请指定文件存放方式：--ref、--upload 命令 或 --upload-url 网址",
    "upload_failed": "上传失败：{why}",
    "no_file": "没有这个文件：{path}",
    "watching": "正在查看 {user} 在 {url} 的数据帧，按 Ctrl-C 结束。",
    "image": "[图片] {name}",
    "voice": "[语音 {seconds} 秒] {name}",
    "video": "[视频] {name}",
    "file": "[文件] {name}（{size}）",
    "location": "[位置] {name}",
    "card": "[名片] {name}",
    "custom": "[{name}]",
    "CREATED": "{actor} 建立了群",
    "EDITED": "{actor} 修改了群资料",
    "JOINED": "{users} 加入了群",
    "INVITED": "{actor} 邀请了 {users}",
    "LEFT": "{actor} 退出了群",
    "REMOVED": "{actor} 移出了 {users}",
    "ROLE": "{actor} 修改了 {users} 的角色",
    "TRANSFERRED": "{users} 成为群主",
    "DISBANDED": "{actor} 解散了群",
    "MUTED": "{actor} 禁言了 {users}",
}


class Texts:
    """The texts of one language: `say("sent", peer="bob")`."""

    def __init__(self, language: str) -> None:
        self._texts = CHINESE if language == "zh" else ENGLISH

    def __call__(self, text: str, /, **values: object) -> str:
        return self._texts[text].format(**values)

    def knows(self, text: str) -> bool:
        return text in self._texts


def language_of(environment: Mapping[str, str] = os.environ) -> str:
    """zh or en, as the locale says."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"
