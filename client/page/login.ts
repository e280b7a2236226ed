/** The page before somebody is logged in: log in, or sign up at the development user centre. */
import { fill, h } from "./dom.js";
import { t } from "./i18n.js";
import { Refused, type Session, type UserCentre } from "./session.js";

export interface LoginOptions {
  centre: UserCentre;
  /** Said above the form: why somebody is here again. */
  notice: string;
  done(session: Session): void;
  switchLanguage(): void;
}

export function loginView(options: LoginOptions): HTMLElement {
  let signingUp = false;
  const user = field("user", "text", "username", { maxlength: 64, autocapitalize: "none" });
  const password = field("password", "password", "current-password", { maxlength: 200 });
  const name = field("displayName", "text", "nickname", { maxlength: 64 });
  name.input.required = false;
  name.row.hidden = true;
  const problem = h("p", { class: "problem", role: "alert" }, options.notice);
  const submit = h("button", { type: "submit", class: "primary" }, t("logIn"));
  const other = h("button", { type: "button", class: "link", click: () => turn() }, t("toSignUp"));
  const form = h(
    "form",
    { class: "login-form", submit: (event: SubmitEvent) => void go(event) },
    user.row,
    name.row,
    password.row,
    problem,
    submit,
    other,
  );

  function turn(): void {
    signingUp = !signingUp;
    name.row.hidden = !signingUp;
    password.input.autocomplete = signingUp ? "new-password" : "current-password";
    fill(submit, t(signingUp ? "signUp" : "logIn"));
    fill(other, t(signingUp ? "toLogIn" : "toSignUp"));
    fill(problem);
    user.input.focus();
  }

  async function go(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    submit.disabled = true;
    fill(problem);
    try {
      const id = user.input.value.trim();
      if (signingUp) await options.centre.signUp(id, password.input.value, name.input.value);
      options.done(await options.centre.logIn(id, password.input.value));
    } catch (error) {
      fill(problem, explain(error));
      (error instanceof Refused && error.code === "wrong_password" ? password : user).input.focus();
    } finally {
      submit.disabled = false;
    }
  }

  return h(
    "main",
    { class: "login" },
    h("img", { src: "page/icon.svg", alt: "", width: 64, height: 64 }),
    h("h1", {}, t("appName")),
    h("p", { class: "tagline" }, t("welcome")),
    form,
    h(
      "button",
      {
        type: "button",
        class: "link language",
        title: t("languageLabel"),
        click: () => options.switchLanguage(),
      },
      t("language"),
    ),
  );
}

function explain(error: unknown): string {
  if (!(error instanceof Refused)) throw error;
  if (error.code === "wrong_password") return t("wrongPassword");
  if (error.code === "user_exists") return t("userExists");
  if (error.code === "unreachable") return t("usercenterDown");
  return error.code === "too_many_attempts" ? t("error_RATE_LIMITED") : error.code;
}

function field(
  label: "user" | "password" | "displayName",
  type: string,
  autocomplete: string,
  more: Record<string, string | number>,
): { row: HTMLElement; input: HTMLInputElement } {
  const id = `login-${label}`;
  const input = h("input", { id, type, autocomplete, required: true, ...more });
  return { row: h("div", { class: "field" }, h("label", { for: id }, t(label)), input), input };
}
