/** Listeners by event name. One that throws does not keep others, or the client, from going on. */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<(event: never) => void>>();

  /** Calls `listener` at each event; call the returned function to end that. */
  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): () => void {
    let all = this.listeners.get(name);
    if (!all) this.listeners.set(name, (all = new Set()));
    all.add(listener);
    return () => all.delete(listener);
  }

  emit<K extends keyof Events>(name: K, event: Events[K]): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) {
      try {
        (listener as (event: Events[K]) => void)(event);
      } catch (error) {
        // The application's fault: shown where it looks for such, outside of our own work.
        setTimeout(() => {
          throw error;
        });
      }
    }
  }
}
