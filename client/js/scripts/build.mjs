// Builds the package: one ES module with the protobuf runtime in it, and the same minified.
// Written beside and moved into place, so that whoever imports meanwhile gets a whole file.
import { build } from "esbuild";
import { mkdir, readdir, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const DIST = join(ROOT, "dist");
const OUTPUTS = [
  { name: "im-client.js", minify: false },
  { name: "im-client.min.js", minify: true },
];

/** Builds both files. */
export async function buildPackage() {
  await mkdir(DIST, { recursive: true });
  for (const { name, minify } of OUTPUTS) {
    const draft = join(DIST, `.${process.pid}.${name}`);
    await build({
      absWorkingDir: ROOT,
      entryPoints: ["src/index.ts"],
      outfile: draft,
      bundle: true,
      format: "esm",
      target: "es2021",
      minify,
      legalComments: "none",
      logLevel: "warning",
    });
    await rename(draft, join(DIST, name));
  }
}

/** Builds when a source is newer than what was built. */
export async function ensureBuilt() {
  const sources = await readdir(join(ROOT, "src"), { recursive: true });
  const files = sources.filter((name) => name.endsWith(".ts")).map((name) => join(ROOT, "src", name));
  const built = await Promise.all(
    OUTPUTS.map(({ name }) => stat(join(DIST, name)).catch(() => undefined)),
  );
  const times = await Promise.all(files.map(async (file) => (await stat(file)).mtimeMs));
  if (built.some((file) => !file || file.mtimeMs < Math.max(...times))) await buildPackage();
  return join(DIST, "im-client.js");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await buildPackage();
