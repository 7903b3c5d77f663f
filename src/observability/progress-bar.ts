import { SingleBar } from 'cli-progress';

// Where standard error is no terminal, a line at each of these steps says that the work goes on.
const LINES = 5;

/** How far a long measurement is: a bar on a terminal, a few plain lines elsewhere. */
export class ProgressBar {
  private readonly bar: SingleBar | undefined;
  private done: number;

  constructor(
    private readonly label: string,
    private readonly total: number,
    /** Steps that were done before. */
    alreadyDone = 0,
  ) {
    this.done = alreadyDone;
    if (!process.stderr.isTTY) return;
    const format = `${label} {bar} {value}/{total}, {eta_formatted} left`;
    this.bar = new SingleBar({ format, stream: process.stderr });
    this.bar.start(total, alreadyDone);
  }

  advance(steps = 1): void {
    const before = this.done;
    this.done = Math.min(this.total, before + steps);
    this.bar?.update(this.done);
    const line = (done: number) => Math.floor((done / this.total) * LINES);
    if (!this.bar && line(this.done) > line(before)) {
      process.stderr.write(`${this.label}: ${this.done} of ${this.total}\n`);
    }
  }

  stop(): void {
    this.bar?.stop();
  }
}
