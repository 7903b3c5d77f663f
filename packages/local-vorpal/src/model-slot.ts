import type { LoggerService } from '@nestjs/common';
import { describeError, fullJitterBackoffMs, sleep } from '@archive-brain/common';
import { NotReadyError } from './errors.js';

export interface SlotHealth {
  readonly status: 'ready' | 'loading' | 'failed';
  /** For people: what is going on, or what went wrong and what to do. */
  readonly message: string;
}

export interface Disposable {
  dispose(): Promise<void>;
}

export interface ModelSlotOptions<T extends Disposable> {
  /** As in "the language model". */
  readonly name: string;
  /** @param onFailure to be called when the loaded model can no longer be used; it is then loaded again */
  readonly load: (signal: AbortSignal, onFailure: (error: Error) => void) => Promise<T>;
  /** What `load` is doing right now. */
  readonly activity: () => string | undefined;
  readonly logger: LoggerService;
}

/** A missing network or a full disk may last; without the ceiling the attempts would become hours apart. */
const RETRY_BACKOFF = { initialMs: 2_000, maxMs: 60_000 };

/** Keeps one model loaded: loads it in the background, tries again after a failure, replaces it when it breaks. */
export class ModelSlot<T extends Disposable> {
  private model: T | undefined;
  private failure: string | undefined;
  private readonly stopped = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly options: ModelSlotOptions<T>) {}

  get health(): SlotHealth {
    const { name, activity } = this.options;
    if (this.model) return { status: 'ready', message: `${name} is ready` };
    if (this.failure !== undefined) return { status: 'failed', message: this.failure };
    return { status: 'loading', message: `${name} is loading: ${activity() ?? 'reading it into memory'}` };
  }

  get current(): T | undefined {
    return this.model;
  }

  /** @throws NotReadyError */
  require(): T {
    if (this.model) return this.model;
    throw new NotReadyError(this.health.message);
  }

  start(): void {
    this.running ??= this.keepLoaded();
  }

  /** Gives up loading and disposes of the model. */
  async stop(): Promise<void> {
    this.stopped.abort();
    await this.running;
  }

  private async keepLoaded(): Promise<void> {
    const { signal } = this.stopped;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const broken = Promise.withResolvers<Error | undefined>();
      const onStop = (): void => {
        broken.resolve(undefined);
      };
      signal.addEventListener('abort', onStop, { once: true });
      if (await this.tryLoad(broken.resolve)) {
        attempt = 0;
        await this.serveUntil(broken.promise);
      }
      signal.removeEventListener('abort', onStop);
      await sleep(fullJitterBackoffMs(attempt, RETRY_BACKOFF), signal);
    }
  }

  private async tryLoad(onFailure: (error: Error) => void): Promise<boolean> {
    const { name, load, logger } = this.options;
    try {
      const startedAt = performance.now();
      this.model = await load(this.stopped.signal, onFailure);
      this.failure = undefined;
      logger.log(`${capitalise(name)} is ready after ${Math.round(performance.now() - startedAt)} ms`);
      return true;
    } catch (error) {
      if (this.stopped.signal.aborted) return false;
      this.failure = describeError(error);
      logger.error(`${capitalise(name)} is not available; trying again. ${this.failure}`);
      return false;
    }
  }

  private async serveUntil(broken: Promise<Error | undefined>): Promise<void> {
    const error = await broken;
    const { name, logger } = this.options;
    const model = this.model;
    this.model = undefined;
    if (error) {
      this.failure = `${name} broke and is loaded anew: ${describeError(error)}`;
      logger.error(capitalise(this.failure));
    }
    try {
      await model?.dispose();
    } catch (disposeError) {
      logger.error(`${capitalise(name)} could not be disposed of: ${describeError(disposeError)}`);
    }
  }
}

function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
