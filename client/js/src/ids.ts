/** 32 random hex digits, for sequences and device ids. */
export function randomId(): string {
  const bytes = new Uint8Array(16);
  if (typeof crypto === "object" && crypto.getRandomValues) {
    crypto.getRandomValues(bytes);
  } else {
    // Mini-programs have no synchronous source; it must be unlikely to repeat, not hard to guess.
    for (let i = 0; i < bytes.length; i++) bytes[i] = Math.random() * 256;
  }
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
