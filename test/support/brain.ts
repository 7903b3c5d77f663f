import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChildProgram } from '../../bench/load/child-program.js';
import type { ScoredEntry } from '../../src/memory-worker/worker-status.js';
import { untilValue } from './until.js';

export interface WorkerReport {
  state: string;
  waiting_for?: string;
  lag: number | null;
  pending: number | null;
  dead_letters: number | null;
  processed: number;
  failed: number;
  captured: number;
  spooled: number;
  capture_failures: number;
  recent: ScoredEntry[];
}

export interface Answer<T = Record<string, unknown>> {
  status: number;
  headers: Headers;
  body: T;
}

/** A running brain as a user sees it: its HTTP interface, its log and its signals. */
export class TestBrain {
  private constructor(
    readonly program: ChildProgram,
    readonly url: string,
    readonly dataDir: string,
    private readonly environment: NodeJS.ProcessEnv,
  ) {}

  /** Starts the built brain in a data folder of its own, or in `dataDir`. */
  static async start(
    environment: NodeJS.ProcessEnv = {},
    dataDir = mkdtempSync(join(tmpdir(), 'brain-')),
  ): Promise<TestBrain> {
    const program = ChildProgram.start('brain', {
      BRAIN_DATA_DIR: dataDir,
      CHAT_MAX_TOKENS: '8',
      // The model's threads wait for each other spinning; beside other programs two are up to ten times slower than
      // one.
      LOCAL_VORPAL_THREADS: '1',
      // What is tested is what is recalled; on a busy machine the deadlines that people are given would pass first.
      RECALL_TIMEOUT_MS: '60000',
      SESSION_READ_TIMEOUT_MS: '10000',
      ...environment,
    });
    return new TestBrain(program, await program.url(), dataDir, environment);
  }

  /** The same brain once more, after it ended. */
  restart(environment: NodeJS.ProcessEnv = {}): Promise<TestBrain> {
    return TestBrain.start({ ...this.environment, ...environment }, this.dataDir);
  }

  async get<T = Record<string, unknown>>(path: string): Promise<Answer<T>> {
    return read<T>(await fetch(this.url + path));
  }

  post<T = Record<string, unknown>>(
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    return this.send<T>('POST', path, body, headers);
  }

  patch<T = Record<string, unknown>>(path: string, body: unknown): Promise<Answer<T>> {
    return this.send<T>('PATCH', path, body);
  }

  async delete<T = Record<string, unknown>>(path: string): Promise<Answer<T>> {
    return read<T>(await fetch(this.url + path, { method: 'DELETE' }));
  }

  async worker(): Promise<WorkerReport> {
    return (await this.get<WorkerReport>('/memory-worker')).body;
  }

  /** Polls the worker's report until `condition` holds. @throws Error with the last report */
  async workerUntil(condition: (report: WorkerReport) => boolean, timeoutMs?: number): Promise<WorkerReport> {
    return untilValue(() => this.worker(), condition, { ...(timeoutMs && { timeoutMs }), details: this.log });
  }

  async ready(timeoutMs = 300_000): Promise<void> {
    await untilValue(
      () => this.get('/health/ready'),
      ({ status }) => status === 200,
      { timeoutMs, details: this.log },
    );
  }

  private async send<T>(
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const payload = typeof body === 'string' ? body : JSON.stringify(body);
    return read<T>(
      await fetch(this.url + path, {
        method,
        headers: { 'content-type': 'application/json', ...headers },
        body: payload,
      }),
    );
  }

  private readonly log = (): string => this.program.output();

  /** Ends the brain if it still runs and removes its data. */
  async dispose(): Promise<void> {
    await this.program.end('SIGTERM');
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

async function read<T>(response: Response): Promise<Answer<T>> {
  const text = await response.text();
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
}
