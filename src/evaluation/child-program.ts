import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const START_LIMIT_MS = 60_000;

const PROGRAMS = {
  brain: new URL('../../dist/main.js', import.meta.url),
  'local-vorpal': new URL('../../dist/local-vorpal/main.js', import.meta.url),
} as const;

/** A line of the program's JSON log. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly context?: string;
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
  async waitForLog(pattern: RegExp, limitMs = START_LIMIT_MS): Promise<LogLine> {
    const limit = AbortSignal.timeout(limitMs);
    for (;;) {
      const found = this.log.find(({ message }) => pattern.test(message));
      if (found) return found;
      if (this.process.exitCode !== null || this.process.signalCode !== null || limit.aborted) {
        throw new Error(`${this.name} did not log ${String(pattern)}. Its output:\n${this.output()}`);
      }
      await this.nextLine(limit);
    }
  }

  /** The address it listens on. */
  async url(): Promise<string> {
    const { message } = await this.waitForLog(/^Listening on http/);
    return message.replace('Listening on ', '');
  }

  /** Sends a signal and resolves with the exit code, or the signal's name if that ended it. */
  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    const exited = once(this.process, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    if (this.process.exitCode !== null || this.process.signalCode !== null) {
      return this.process.exitCode ?? this.process.signalCode ?? 'SIGKILL';
    }
    this.process.kill(signal);
    const [code, endedBy] = await exited;
    return code ?? endedBy ?? 'SIGKILL';
  }

  output(): string {
    return [...this.log.map(({ level, message }) => `${level} ${message}`), ...this.rawOutput].join('\n');
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
