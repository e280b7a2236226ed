/** A group's members and what may be done about them. */
import {
  type GroupInfo,
  type GroupMember,
  GroupRole,
  type IMClient,
  IMError,
  type RequestOf,
} from "../js/src/index.js";
import { ask, confirm, notify, openDialog } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { reason, t } from "./i18n.js";
import type { People } from "./people.js";

const MEMBERS_MAX = 500;

type GroupCommand =
  | "group_invite"
  | "group_remove"
  | "group_leave"
  | "group_disband"
  | "group_edit"
  | "group_decide";

export const usersOf = (text: string): string[] =>
  [...new Set(text.split(/[\s,，、]+/).filter(Boolean))];

export class GroupDetails {
  info: GroupInfo | undefined;
  private members: GroupMember[] = [];
  private reading: Promise<void> | undefined;

  constructor(
    readonly id: string,
    private readonly client: IMClient,
    private readonly people: People,
    private readonly changed: () => void,
  ) {}

  /** Reads the group and its members anew; what fails leaves them as they are. */
  read(): Promise<void> {
    this.reading ??= this.readAll()
      .catch(() => undefined)
      .finally(() => (this.reading = undefined));
    return this.reading;
  }

  get mayManage(): boolean {
    return (this.info?.role ?? GroupRole.MEMBER) !== GroupRole.MEMBER;
  }

  get forMentions(): { users: string[]; mayMentionAll: boolean } {
    return { users: this.members.map(({ user }) => user), mayMentionAll: this.mayManage };
  }

  get count(): number {
    return this.info?.members ?? this.members.length;
  }

  private async readAll(): Promise<void> {
    const { client, people, id } = this;
    const { group } = await client.call("group_info", { group: id });
    const members: GroupMember[] = [];
    for (let more = true; more && members.length < MEMBERS_MAX; ) {
      const after = members.at(-1)?.user ?? "";
      const answer = await client.call("group_members", { group: id, after });
      members.push(...answer.members);
      more = answer.more;
    }
    for (const { profile } of members) people.learn(profile);
    this.info = group;
    this.members = members;
    this.changed();
  }

  /** Shows name, announcement and members; what one may change can be changed. */
  async open(): Promise<void> {
    await this.read();
    const content = h("div", { class: "details" });
    const show = async (): Promise<void> => {
      await this.read();
      fill(content, ...(await this.content(show, () => dialog.close())));
    };
    const dialog = openDialog(this.info?.name ?? t("details"), content);
    await show();
  }

  private async content(show: () => Promise<void>, close: () => void): Promise<HTMLElement[]> {
    const { info, id } = this;
    const button = (label: string, act: () => unknown, style = ""): HTMLElement =>
      h("button", { type: "button", class: style, click: () => void act() }, label);
    const change = async <K extends GroupCommand>(
      name: K,
      request: RequestOf<K>,
      then: () => unknown = show,
    ): Promise<string | undefined> => {
      try {
        await this.client.call(name, request);
        await then();
        return undefined;
      } catch (error) {
        const text = reason(error instanceof IMError ? error.code : String(error));
        notify(text);
        return text;
      }
    };
    const invite = (): unknown =>
      ask(
        t("invite"),
        [{ name: "users", label: t("members"), hint: t("membersHint") }],
        t("invite"),
        ({ users = "" }) => change("group_invite", { group: id, users: usersOf(users) }),
      );
    const rename = (): unknown =>
      ask(
        t("rename"),
        [
          { name: "name", label: t("groupName"), value: info?.name ?? "", more: { maxlength: 40 } },
          {
            name: "announcement",
            label: t("announcement"),
            value: info?.announcement ?? "",
            optional: true,
            more: { maxlength: 1000 },
          },
        ],
        t("save"),
        ({ name, announcement }) =>
          change("group_edit", { group: id, ...(name && { name }), announcement: announcement ?? "" }),
      );
    const ends = this.info?.role === GroupRole.OWNER;
    const go = (): void => {
      const [command, label, text] = ends
        ? (["group_disband", t("disband"), t("disbandAsk")] as const)
        : (["group_leave", t("leave"), t("leaveAsk")] as const);
      confirm(label, text, label, () => void change(command, { group: id }, close));
    };
    return [
      h("p", { class: "detail group-id" }, `${t("groupId")}: `, h("code", {}, id)),
      ...(info?.announcement ? [h("p", { class: "announcement" }, info.announcement)] : []),
      ...(this.mayManage ? await this.requests(change) : []),
      h("h3", {}, t("membersCount", { count: this.count })),
      h(
        "ul",
        { class: "people" },
        ...this.members.map(({ user, role }) =>
          h(
            "li",
            {},
            this.people.avatar(user),
            h("span", { class: "title" }, this.people.nameOf(user)),
            role !== GroupRole.MEMBER &&
              h("span", { class: "tag" }, t(role === GroupRole.OWNER ? "owner" : "admin")),
            this.mayManage &&
              role === GroupRole.MEMBER &&
              button(t("remove"), () => change("group_remove", { group: id, users: [user] }), "link"),
          ),
        ),
      ),
      h(
        "div",
        { class: "buttons" },
        button(t("invite"), invite, "primary"),
        this.mayManage && button(t("rename"), rename),
        button(t(ends ? "disband" : "leave"), go, "danger"),
      ),
    ];
  }

  private async requests(
    change: (
      name: "group_decide",
      request: RequestOf<"group_decide">,
    ) => Promise<string | undefined>,
  ): Promise<HTMLElement[]> {
    const { requests } = await this.client.call("group_requests", { group: this.id });
    if (!requests.length) return [];
    const decide = (user: string, accept: boolean, label: string): HTMLElement =>
      h(
        "button",
        {
          type: "button",
          class: "link",
          click: () => void change("group_decide", { group: this.id, user, accept }),
        },
        label,
      );
    return [
      h("h3", {}, t("requests")),
      h(
        "ul",
        { class: "people" },
        ...requests.map(({ user, reason: why, profile }) => {
          this.people.learn(profile);
          return h(
            "li",
            {},
            this.people.avatar(user),
            h("span", { class: "title" }, this.people.nameOf(user)),
            h("span", { class: "detail" }, why),
            decide(user, true, t("accept")),
            decide(user, false, t("refuse")),
          );
        }),
      ),
    ];
  }
}
