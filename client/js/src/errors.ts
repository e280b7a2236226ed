import type { Error as WireError } from "./gen/im_pb.js";

/**
 * A refusal by the server, or a failure on the way to it.
 *
 * `code` is a name of the error table such as `BLOCKED`; failures of the client itself are
 * `CLOSED` (no connection, or it ended), `TIMEOUT` (no answer) and `CLIENT` (used wrongly).
 */
export class IMError extends Error {
  override readonly name = "IMError";

  constructor(
    readonly code: string,
    message: string,
    readonly retryable: boolean,
    readonly retryAfterMs = 0,
    /** The client's own: no server said so. */
    readonly local = false,
  ) {
    super(message || code);
  }

  /** Whether the token was the reason: another one may be taken. */
  get refusesToken(): boolean {
    return this.code === "UNAUTHENTICATED" || this.code === "TOKEN_REVOKED";
  }
}

/** The error an answer carries as one to be thrown; undefined when there is none. */
export function errorOf(error: WireError | undefined): IMError | undefined {
  if (!error?.code) return undefined;
  return new IMError(
    error.name || `CODE_${error.code}`,
    error.message,
    error.retryable,
    error.retryAfterMs,
  );
}

const own = (code: string, why: string, retryable: boolean): IMError =>
  new IMError(code, why, retryable, 0, true);
export const closed = (why: string): IMError => own("CLOSED", why, true);
export const timedOut = (what: string): IMError => own("TIMEOUT", `no answer to ${what}`, true);
export const tooLarge = (bytes: number): IMError =>
  own("TOO_LARGE", `a request of ${bytes} bytes`, false);
export const misused = (why: string): IMError => own("CLIENT", why, false);

/** Anything thrown as an `IMError`. */
export function asError(error: unknown): IMError {
  if (error instanceof IMError) return error;
  return closed(error instanceof Error ? error.message : String(error));
}
