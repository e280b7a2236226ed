/** Delays between attempts: doubling from `leastMs` to `mostMs`, each cut by up to half at random. */
export class Backoff {
  private attempts = 0;

  constructor(
    private readonly leastMs: number,
    private readonly mostMs: number,
  ) {}

  next(): number {
    const whole = Math.min(this.mostMs, this.leastMs * 2 ** this.attempts);
    this.attempts = Math.min(this.attempts + 1, 30);
    return whole / 2 + (Math.random() * whole) / 2;
  }

  reset(): void {
    this.attempts = 0;
  }
}

/** A wait that can be cut short. */
export class Pause {
  private end: (() => void) | undefined;

  /** Resolves after the time, or at `cut`. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.cut(), ms);
      this.end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  cut(): void {
    this.end?.();
    this.end = undefined;
  }
}

/** Rejects with `error()` when `promise` takes longer. */
export function within<T>(promise: Promise<T>, ms: number, error: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(error()), ms);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (reason: unknown) => {
        clearTimeout(timer);
        reject(reason);
      },
    );
  });
}
