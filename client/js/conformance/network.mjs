// The driver's network: the real one, until it is cut or switched off.
import WebSocket from "ws";

export class Network {
  #down = false;
  #cuts = new Set();
  #listeners = new Set();

  /** Cuts every connection, as when a cable is pulled: nobody says good-bye. */
  drop() {
    for (const cut of [...this.#cuts]) cut();
    this.#cuts.clear();
  }

  set down(down) {
    this.#down = down;
    if (down) this.drop();
    for (const listener of this.#listeners) listener(!down);
  }

  /** As an adapter's. */
  onNetwork = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** A WebSocket class that goes through this network; `ca` is a PEM text to trust. */
  sockets(ca) {
    const network = this;
    return class {
      constructor(url) {
        if (network.#down) {
          setTimeout(() => this.onclose?.({ code: 1006, reason: "no network" }));
          return;
        }
        const socket = new WebSocket(url, { ca });
        const cut = () => socket.terminate();
        network.#cuts.add(cut);
        socket.addEventListener("close", () => network.#cuts.delete(cut));
        return socket;
      }

      close() {}
    };
  }

  /** `fetch` that goes through this network. */
  fetch = async (url, init = {}) => {
    if (this.#down) throw new TypeError("no network");
    const abort = new AbortController();
    const cut = () => abort.abort();
    this.#cuts.add(cut);
    init.signal?.addEventListener("abort", () => {
      this.#cuts.delete(cut);
      cut();
    });
    return fetch(url, { ...init, signal: abort.signal });
  };
}
