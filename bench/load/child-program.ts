import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const START_LIMIT_MS = 60_000;
const LISTENING = 'Listening on ';
// The line that says where a program listens is of the level `log`: a stricter one in the shell would hide it for ever.
const TALKATIVE = ['debug', 'verbose'];

const PROGRAMS = {
  brain: new URL('../../dist/main.js', import.meta.url),
  reembed: new URL('../../dist/commands/reembed-memories.js', import.meta.url),
  reindex: new URL('../../dist/commands/reindex-memories.js', import.meta.url),
  'local-vorpal': new URL('../../packages/local-vorpal/dist/main.js', import.meta.url),
  'stub-vorpal': new URL('./stub-vorpal-program.ts', import.meta.url),
  'minimal-proxy': new URL('./minimal-proxy.ts', import.meta.url),
} as const;

// As `npm start` has it: docs/decisions/0010.
const BRAIN_FLAGS = ['--no-allocation-site-pretenuring'];
const SOURCE_FLAGS = [
  '--experimental-transform-types',
  '--disable-warning=ExperimentalWarning',
  `--import=${new URL('../built-brain.mjs', import.meta.url).href}`,
];

/** A line of the program's JSON log. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly context?: string;
  /** Of the process that wrote it: the program, or a child of its own that shares its output. */
  readonly pid: number;
}

export interface StartOptions {
  readonly nodeOptions?: readonly string[];
  readonly args?: readonly string[];
}

/** Tells the parent, as the brain's log does, where this program listens. */
export function announceAddress(url: string): void {
  const line: LogLine = { level: 'log', message: LISTENING + url, pid: process.pid };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** One of the programs as a child process, with its log. */
export class ChildProgram {
  private static readonly running = new Set<ChildProcess>();
  readonly log: LogLine[] = [];
  /** What it wrote that is no log line: a stack trace, a start-up error. */
  readonly rawOutput: string[] = [];
  private readonly watchers = new Set<() => void>();
  private logReader: Interface | undefined;

  private constructor(
    readonly process: ChildProcess,
    readonly name: string,
  ) {}

  /** Starts a built program with `environment` on top of this process's own. It logs JSON and picks a free port. */
  static start(
    program: keyof typeof PROGRAMS,
    environment: NodeJS.ProcessEnv,
    { nodeOptions = [], args = [] }: StartOptions = {},
  ): ChildProgram {
    const file = fileURLToPath(PROGRAMS[program]);
    const flags = file.endsWith('.ts') ? SOURCE_FLAGS : program === 'brain' ? BRAIN_FLAGS : [];
    const argv = [...flags, '--enable-source-maps', ...nodeOptions, file, ...args];
    const child = spawn(process.execPath, argv, {
      env: {
        ...process.env,
        PORT: '0',
        LOCAL_VORPAL_PORT: '0',
        LOG_FORMAT: 'json',
        LOG_LEVEL: TALKATIVE.find((level) => level === process.env.LOG_LEVEL) ?? 'log',
        NODE_OPTIONS: '',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const started = new ChildProgram(child, program);
    started.logReader = started.readLines(child.stdout);
    started.readLines(child.stderr);
    ChildProgram.running.add(child);
    child.once('exit', () => {
      ChildProgram.running.delete(child);
      started.notify();
    });
    return started;
  }

  /** Ends all that this process has started and that still run, at once: for its own end, which waits for nothing. */
  static killAll(): void {
    for (const child of ChildProgram.running) child.kill('SIGKILL');
  }

  /** Resolves with the first line whose message matches. @throws Error if the program ends or stays silent */
  async waitForLog(pattern: RegExp): Promise<LogLine> {
    return this.waitForLine(`a line like ${String(pattern)}`, ({ message }) => pattern.test(message));
  }

  /** Reads its log from here on without looking at it; what it writes to standard error is kept. */
  ignoreLog(): void {
    // Parsed and kept, the lines of a million messages would take processor and memory from what is measured.
    this.logReader?.close();
    this.process.stdout?.resume();
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

  private readLines(input: Readable): Interface {
    return createInterface({ input }).on('line', (line) => {
      this.receive(line);
    });
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
