import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChildProgram } from '../../bench/load/child-program.js';

/** A brain that is killed and started again in the same data folder; all its lives count as one. */
export class BrainProcess {
  private readonly dataDir = mkdtempSync(join(tmpdir(), 'brain-'));
  private readonly lives: ChildProgram[] = [];
  private readonly unasked: string[] = [];
  private isExpectedToEnd = false;

  /** @param consumer its name in the consumer group */
  constructor(
    public consumer: string,
    private readonly environment: NodeJS.ProcessEnv,
  ) {
    this.start();
  }

  /** Ends of its process that nobody asked for, in words. */
  get unaskedEnds(): readonly string[] {
    return this.unasked;
  }

  url(): Promise<string> {
    return this.current.url();
  }

  /** Resolves when its worker begins to read. */
  async untilWorking(): Promise<void> {
    await this.current.waitForLog(/^Memory worker started$/);
  }

  async kill(): Promise<void> {
    this.isExpectedToEnd = true;
    await this.current.end('SIGKILL');
  }

  /** Starts it again after {@link kill}. @param consumer another name: to the group, the one before is gone for good */
  restart(consumer = this.consumer): void {
    this.consumer = consumer;
    this.start();
  }

  /** The messages in its log that match, of all its lives. */
  logged(pattern: RegExp): RegExpExecArray[] {
    const lines = this.lives.flatMap(({ log }) => log);
    return lines.map(({ message }) => pattern.exec(message)).filter((match) => match !== null);
  }

  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  private get current(): ChildProgram {
    const program = this.lives.at(-1);
    if (program === undefined) throw new Error(`${this.consumer} was not started.`);
    return program;
  }

  private start(): void {
    this.isExpectedToEnd = false;
    const program = ChildProgram.start('brain', {
      BRAIN_DATA_DIR: this.dataDir,
      STREAM_CONSUMER: this.consumer,
      ...this.environment,
    });
    this.lives.push(program);
    program.process.once('exit', (code, signal) => {
      if (this.isExpectedToEnd) return;
      const said = program.output().split('\n').slice(-5).join(' | ');
      this.unasked.push(`${this.consumer} ended by itself (${code ?? signal ?? 'unknown'}): ${said}`);
    });
  }
}
