/** Lets callers wait until a condition holds. Code that changes what it depends on calls {@link notify}. */
export class Condition {
  private changed = Promise.withResolvers<undefined>();

  /** Has everybody who waits look again. */
  notify(): void {
    this.changed.resolve(undefined);
    this.changed = Promise.withResolvers();
  }

  /** Resolves when `holds` returns true, or soon after `until` resolves, whichever comes first. */
  async wait(holds: () => boolean, until?: Promise<unknown>): Promise<void> {
    const wake = { isOver: false };
    const over = until?.then(() => (wake.isOver = true));
    while (!holds() && !wake.isOver) await Promise.race([this.changed.promise, ...(over ? [over] : [])]);
  }
}
