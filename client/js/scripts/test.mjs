// Runs the unit tests, test/*.test.ts: bundled, so that they may look at any module.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const outdir = await mkdtemp(join(tmpdir(), "im-client-test-"));
try {
  const names = (await readdir(join(ROOT, "test"))).filter((name) => name.endsWith(".test.ts"));
  await build({
    absWorkingDir: ROOT,
    entryPoints: names.map((name) => join("test", name)),
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node18",
    logLevel: "warning",
  });
  const files = names.map((name) => join(outdir, name.replace(/\.ts$/, ".mjs")));
  process.exitCode = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" }).status;
} finally {
  await rm(outdir, { recursive: true });
}
