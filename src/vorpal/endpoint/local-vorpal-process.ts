import { Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { z } from 'zod';
import { ProgramEnvironment } from '../../config/index.js';
import { ShutdownDeadline } from '../../infra/lifecycle/index.js';
import { fullJitterBackoffMs, sleep } from '../../shared/index.js';
import { EmbeddingsEndpoint } from './vorpal-endpoint.js';
import { VorpalUnavailableError } from '../vorpal.errors.js';

// A child that dies at once (out of memory, a broken model) must not be restarted in a tight loop.
const RESTART_BACKOFF = { initialMs: 500, maxMs: 30_000 };
// A child that lived this long did work: the next failure starts from the short backoff again.
const STABLE_AFTER_MS = 60_000;

const listeningMessage = z.object({ type: z.literal('listening'), url: z.url() });

/**
 * The embedded Vorpal: runs the local Vorpal as a child process on a free loopback port, restarts it when it dies, and
 * ends it with the brain. The child itself fetches and loads the model; its `/health` says how far it is.
 */
export class LocalVorpalProcess extends EmbeddingsEndpoint implements OnModuleInit, OnApplicationShutdown {
  private readonly logger: Logger;
  private readonly stopping = new AbortController();
  private child: ChildProcess | undefined;
  private address: string | undefined;
  private reason = 'The local Vorpal is starting.';
  private supervision: Promise<void> | undefined;

  constructor(
    /** File of the local Vorpal. */
    private readonly program: string,
    private readonly environment: ProgramEnvironment,
    private readonly deadline: ShutdownDeadline,
    private readonly serves: 'all' | 'embeddings',
  ) {
    super();
    this.logger = new Logger(serves === 'all' ? 'Vorpal' : 'Embeddings');
  }

  url(): string {
    if (this.address === undefined) throw new VorpalUnavailableError(this.reason, { retryAfterSeconds: 2 });
    return this.address;
  }

  onModuleInit(): void {
    this.supervision = this.supervise();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    const { child } = this;
    if (child?.connected) child.send({ type: 'shutdown' });
    if (!(await this.endedWithin(this.deadline.remainingMs()))) child?.kill('SIGKILL');
    await this.supervision;
  }

  private isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  private async endedWithin(ms: number): Promise<boolean> {
    const timer = new AbortController();
    const ended = this.supervision?.then(() => true) ?? true;
    const late = sleep(ms, timer.signal).then(() => false);
    const result = await Promise.race([ended, late]);
    timer.abort();
    return result;
  }

  private async supervise(): Promise<void> {
    for (let failures = 0; !this.isStopping(); failures++) {
      const startedAt = performance.now();
      const ending = await this.runOnce();
      if (this.isStopping()) return;
      if (performance.now() - startedAt > STABLE_AFTER_MS) failures = 0;
      const pauseMs = fullJitterBackoffMs(failures, RESTART_BACKOFF);
      this.reason = `The local Vorpal ended (${ending}) and is being restarted; its log lines say why.`;
      this.logger.error(`Local Vorpal ended (${ending}); restarting in ${Math.round(pauseMs)} ms`);
      await sleep(pauseMs, this.stopping.signal);
    }
  }

  /** Runs one child until it ends; says how it ended. */
  private async runOnce(): Promise<string> {
    const child = spawn(process.execPath, ['--enable-source-maps', this.program], {
      env: {
        ...this.environment.variables,
        LOCAL_VORPAL_HOST: '127.0.0.1',
        LOCAL_VORPAL_PORT: '0',
        LOCAL_VORPAL_SERVES: this.serves,
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // A process group of its own: Ctrl-C in a terminal must not end the model under the requests being drained.
      detached: true,
    });
    this.child = child;
    child.on('message', (message) => {
      const listening = listeningMessage.safeParse(message);
      if (!listening.success) return;
      this.address = listening.data.url;
      this.logger.log(`Local Vorpal listens on ${this.address}`);
    });
    try {
      const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
      return signal ?? `exit code ${code}`;
    } catch (error) {
      return `could not be started: ${String(error)}`;
    } finally {
      this.address = undefined;
    }
  }
}
