/** Short calls: one POST per command, bodies in protobuf; the uplink where there is no WebSocket. */
import type { Adapter, HttpExchange } from "./adapter.js";
import { within } from "./backoff.js";
import type { Call } from "./commands.js";
import { asError, closed, timedOut } from "./errors.js";
import { decodeAnswer, encodeRequest } from "./link.js";

const PROTOBUF = "application/octet-stream";

export class ShortLink {
  private readonly open = new Set<HttpExchange>();
  private ended = false;

  constructor(
    private readonly adapter: Adapter,
    private readonly url: string,
    private readonly token: string,
    private readonly timeoutMs: number,
  ) {}

  readonly call: Call = async (name, request) =>
    decodeAnswer(
      name,
      await this.post(`/im/${name}`, encodeRequest(name, request), this.timeoutMs, name),
    );

  /** The body of an answer; rejects with `CLOSED` or `TIMEOUT` when none comes. */
  async post(
    path: string,
    body: Uint8Array,
    timeoutMs: number,
    what: string,
  ): Promise<Uint8Array> {
    if (this.ended) throw closed("not connected");
    const headers = { "Content-Type": PROTOBUF, Authorization: `Bearer ${this.token}` };
    const exchange = this.adapter.post!(this.url + path, headers, body);
    this.open.add(exchange);
    try {
      const answer = await within(exchange.answer, timeoutMs, () => timedOut(what));
      if (answer.status !== 200) throw closed(`status ${answer.status}`);
      return answer.body;
    } catch (error) {
      throw asError(error);
    } finally {
      exchange.abort();
      this.open.delete(exchange);
    }
  }

  close(): void {
    this.ended = true;
    for (const exchange of this.open) exchange.abort();
  }
}
