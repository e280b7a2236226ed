/** Texts in two languages; the browser's is taken until somebody chooses. */
import { en, type Key } from "./texts-en.js";
import { zh } from "./texts-zh.js";

export type { Key };
export type Language = "en" | "zh";
const STORED = "im.language";
const TEXTS: Record<Language, Record<Key, string>> = { en, zh };

let language: Language = initial();

function initial(): Language {
  const chosen = localStorage.getItem(STORED);
  if (chosen === "en" || chosen === "zh") return chosen;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** The language as `lang` attributes and `Intl` want it. */
export const locale = (): string => (language === "zh" ? "zh-CN" : "en-GB");

export function switchLanguage(): void {
  language = language === "en" ? "zh" : "en";
  localStorage.setItem(STORED, language);
}

/** A text, with `{name}` replaced by values. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name: string) =>
    String(values[name] ?? ""),
  );
}

/** What to say of a refusal, by its code. */
export function reason(code: string): string {
  const key = `error_${code}`;
  return key in en ? t(key as Key) : t("error_OTHER", { code });
}
