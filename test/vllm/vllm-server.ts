import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../support/free-port.js';
import type { Say } from './noisy-command.js';
import type { VllmInstallation } from './vllm-installation.js';

// Loading takes half a minute on two quiet cores; on busy ones several times as long.
const READY_LIMIT_MS = 600_000;
const END_LIMIT_MS = 30_000;
const POLL_MS = 250;
const SHOWN_LOG_CHARACTERS = 4_000;
/** Small enough that a machine with two cores fills it in seconds. */
const WINDOW_TOKENS = 2_048;
const CACHE_GIBIBYTES = '2';
// Without it vLLM's allocations on the CPU fragment; it only warns where the library is missing.
const ALLOCATOR = '/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4';

export interface ServeOptions {
  readonly installation: VllmInstallation;
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly say: Say;
  readonly signal: AbortSignal;
}

/** vLLM on a free loopback port, with all processes that it starts for itself. */
export class VllmServer {
  /** Also those that still load their model. */
  private static readonly running = new Set<VllmServer>();

  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
    private readonly options: ServeOptions,
  ) {}

  /** Resolves when it serves. @throws Error with the end of its log */
  static async start(options: ServeOptions): Promise<VllmServer> {
    const { installation, environment, logFile } = options;
    const port = await freePort();
    const log = openSync(logFile, 'w');
    const child = spawn(join(installation.binaries, 'vllm'), argumentsFor(installation, port), {
      env: { ...process.env, ...environmentFor(installation), ...environment },
      stdio: ['ignore', log, log],
      // A group of its own: its engine and workers are in it, and survive the end of the server they belong to.
      detached: true,
    });
    closeSync(log);
    const server = new VllmServer(child, `http://127.0.0.1:${port}`, options);
    VllmServer.running.add(server);
    try {
      await server.untilReady();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** Ends all its processes, and resolves when none is left. */
  async stop(): Promise<void> {
    const deadline = performance.now() + END_LIMIT_MS;
    this.signalAll('SIGINT');
    while (this.isAnyLeft()) {
      if (performance.now() > deadline - END_LIMIT_MS / 2) this.signalAll('SIGKILL');
      if (performance.now() > deadline) throw new Error(`Processes of vLLM (group ${this.child.pid}) do not end.`);
      await delay(POLL_MS);
    }
    VllmServer.running.delete(this);
  }

  /** Ends all that this process has started, at once: for its own end, which waits for nothing. */
  static killAll(): void {
    for (const server of VllmServer.running) server.signalAll('SIGKILL');
  }

  private async untilReady(): Promise<void> {
    const { say, signal } = this.options;
    const startedAt = performance.now();
    say('vLLM loads the model …');
    while (!(await this.isReady())) {
      signal.throwIfAborted();
      if (this.child.exitCode !== null || performance.now() - startedAt > READY_LIMIT_MS) {
        throw new Error(`vLLM did not start. The end of its log:\n${this.logEnd()}`);
      }
      await delay(POLL_MS);
    }
    say(`vLLM serves at ${this.url} after ${Math.round((performance.now() - startedAt) / 1_000)} s`);
  }

  private async isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/health`)).ok;
    } catch {
      // Nobody listens until the model is loaded.
      return false;
    }
  }

  private logEnd(): string {
    return readFileSync(this.options.logFile, 'utf8').slice(-SHOWN_LOG_CHARACTERS);
  }

  private isAnyLeft(): boolean {
    return this.signalAll(0);
  }

  /** @returns whether there was a process to get it */
  private signalAll(signal: NodeJS.Signals | 0): boolean {
    if (this.child.pid === undefined) return false;
    try {
      return process.kill(-this.child.pid, signal);
    } catch {
      // The group is empty.
      return false;
    }
  }
}

function argumentsFor({ model }: VllmInstallation, port: number): string[] {
  return [
    ...['serve', model, '--served-model-name', 'SmolLM2-135M-Instruct'],
    ...['--host', '127.0.0.1', '--port', String(port)],
    ...['--dtype', 'float32', '--max-model-len', String(WINDOW_TOKENS), '--enforce-eager'],
  ];
}

function environmentFor({ binaries, libraries }: VllmInstallation): NodeJS.ProcessEnv {
  const preloaded = [ALLOCATOR, join(libraries, 'libiomp5.so')].filter((path) => existsSync(path));
  return {
    PATH: `${binaries}:${process.env.PATH ?? ''}`,
    LD_PRELOAD: preloaded.join(':'),
    VLLM_CPU_KVCACHE_SPACE: CACHE_GIBIBYTES,
    VLLM_NO_USAGE_STATS: '1',
    DO_NOT_TRACK: '1',
    HF_HUB_OFFLINE: '1',
    TRANSFORMERS_OFFLINE: '1',
  };
}
