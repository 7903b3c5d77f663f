/** Lines that are in memory only, oldest first. */
export class LineBuffer {
  private readonly lines: Buffer[] = [];
  private total = 0;
  /** When a line left last, or the first one came. */
  private movedAt = 0;

  get count(): number {
    return this.lines.length;
  }

  get bytes(): number {
    return this.total;
  }

  /** For how long no line has left. */
  get heldMs(): number {
    return this.count === 0 ? 0 : performance.now() - this.movedAt;
  }

  add(line: Buffer): void {
    if (this.count === 0) this.movedAt = performance.now();
    this.lines.push(line);
    this.total += line.length;
  }

  /** The first lines, up to `maxBytes`, but at least one. They remain until {@link drop}. */
  peek(maxBytes: number): Buffer[] {
    let bytes = 0;
    const end = this.lines.findIndex((line, index) => (bytes += line.length) > maxBytes && index > 0);
    return this.lines.slice(0, end === -1 ? undefined : end);
  }

  drop(count: number): void {
    for (const line of this.lines.splice(0, count)) this.total -= line.length;
    this.movedAt = performance.now();
  }
}
