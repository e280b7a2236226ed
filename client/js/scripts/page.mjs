// Builds the chat page into the folder given, or web/static: the script with the SDK in it, the
// style, the document and its icon. The same sources give the same bytes, which `make lint` checks.
import { build } from "esbuild";
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const CLIENT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const PAGE = join(CLIENT, "page");
const out = resolve(process.argv[2] ?? join(CLIENT, "..", "web", "static"));

await mkdir(out, { recursive: true });
await build({
  absWorkingDir: PAGE,
  entryPoints: { chat: "main.ts" },
  outdir: out,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  logLevel: "warning",
  nodePaths: [join(CLIENT, "js", "node_modules")],
});
await build({
  absWorkingDir: PAGE,
  entryPoints: { chat: "chat.css" },
  outdir: out,
  bundle: true,
  minify: true,
  legalComments: "none",
  logLevel: "warning",
});
for (const name of ["index.html", "icon.svg"]) await copyFile(join(PAGE, name), join(out, name));
