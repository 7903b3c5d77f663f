import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const START_LIMIT_MS = 60_000;
const LISTENING = 'Listening on ';

const PROGRAMS = {
  brain: new URL('../../dist/main.js', import.meta.url),
  reembed: new URL('../../dist/commands/reembed-memories.js', import.meta.url),
  'local-vorpal': new URL('../../dist/local-vorpal/main.js', import.meta.url),
} as const;

/** A line of the program's JSON log. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly context?: string;
  /** Of the process that wrote it: the program, or a child of its own that shares its output. */
  readonly pid: number;
}

/** One of the two programs as a child process, with its log. */
export class ChildProgram {
  readonly log: LogLine[] = [];
  /** What it wrote that is no log line: a stack trace, a start-up error. */
  readonly rawOutput: string[] = [];
  private readonly watchers = new Set<() => void>();

  private constructor(
    readonly process: ChildProcess,
    readonly name: string,
  ) {}

  /** Starts a built program with `environment` on top of this process's own. It logs JSON and picks a free port. */
  static start(program: keyof typeof PROGRAMS, environment: NodeJS.ProcessEnv): ChildProgram {
    const child = spawn(process.execPath, ['--enable-source-maps', fileURLToPath(PROGRAMS[program])], {
      env: { ...process.env, PORT: '0', LOCAL_VORPAL_PORT: '0', LOG_FORMAT: 'json', NODE_OPTIONS: '', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const started = new ChildProgram(child, program);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        started.receive(line);
      });
    }
    child.once('exit', () => {
      started.notify();
    });
    return started;
  }

  /** Resolves with the first line whose message matches. @throws Error if the program ends or stays silent */
  async waitForLog(pattern: RegExp): Promise<LogLine> {
    return this.waitForLine(`a line like ${String(pattern)}`, ({ message }) => pattern.test(message));
  }

  /** The address it listens on. */
  async url(): Promise<string> {
    const isOwnAddress = ({ message, pid }: LogLine) => pid === this.process.pid && message.startsWith(LISTENING);
    const { message } = await this.waitForLine('where it listens', isOwnAddress);
    return message.slice(LISTENING.length);
  }

  /** The process that its child listens in. */
  async childPid(): Promise<number> {
    const isChildAddress = ({ message, pid }: LogLine) => pid !== this.process.pid && message.startsWith(LISTENING);
    return (await this.waitForLine('where its child listens', isChildAddress)).pid;
  }

  /** Resolves with the exit code, or with the name of the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals> {
    // 'close' comes after the last line of its output, 'exit' may come before.
    if (this.isRunning()) await once(this.process, 'close');
    return this.process.exitCode ?? this.process.signalCode ?? 'SIGKILL';
  }

  /** Sends a signal, if it still runs, and waits for its end. */
  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    const ended = this.ended();
    this.process.kill(signal);
    return ended;
  }

  output(): string {
    return [...this.log.map(({ level, message }) => `${level} ${message}`), ...this.rawOutput].join('\n');
  }

  private async waitForLine(what: string, matches: (line: LogLine) => boolean): Promise<LogLine> {
    const limit = AbortSignal.timeout(START_LIMIT_MS);
    for (;;) {
      const found = this.log.find(matches);
      if (found) return found;
      if (!this.isRunning() || limit.aborted) {
        throw new Error(`${this.name} did not log ${what}. Its output:\n${this.output()}`);
      }
      await this.nextLine(limit);
    }
  }

  private isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  private receive(line: string): void {
    try {
      this.log.push(JSON.parse(line) as LogLine);
    } catch {
      this.rawOutput.push(line);
    }
    this.notify();
  }

  private notify(): void {
    for (const watcher of this.watchers) watcher();
  }

  private async nextLine(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = () => {
        this.watchers.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.watchers.add(done);
      signal.addEventListener('abort', done);
    });
  }
}
