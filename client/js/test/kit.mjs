// What the scripts that talk to a platform share: the built package, and waiting for events.
import { ensureBuilt } from "../scripts/build.mjs";

export const fields = JSON.parse(process.argv[2] ?? "{}");
export const load = async () => import(await ensureBuilt());

const DEADLINE_MS = 30_000;

/** The first event of this name that fits. */
export function next(client, name, fits = () => true) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      off();
      reject(new Error(`${client.user} waited in vain for ${name} (${client.state})`));
    }, DEADLINE_MS);
    const off = client.on(name, (event) => {
      if (!fits(event)) return;
      clearTimeout(late);
      off();
      resolve(event);
    });
  });
}
