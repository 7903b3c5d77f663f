import { Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { Settings } from '../config/index.js';
import { describeError } from '../shared/index.js';
import { CaptureService } from './capture.service.js';
import { InputStream } from './input-stream.port.js';

// A probe must be answered before its own time-out; Kubernetes gives one second unless told otherwise.
const CHECK_TIMEOUT_MS = 900;

@Injectable()
export class StreamHealth {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly stream: InputStream,
    private readonly capture: CaptureService,
    private readonly settings: Settings,
  ) {}

  /** Up if an append would work now, with how far the workers are behind. */
  check() {
    return this.indicators
      .check('stream')
      .attempt(async () => {
        await this.explaining(() => this.stream.check());
        const { lag, pending, deadLetters } = await this.explaining(() => this.stream.statistics());
        return { kind: this.kind, lag, pending, dead_letters: deadLetters };
      })
      .withTimeout(CHECK_TIMEOUT_MS);
  }

  /**
   * Whether a message would be kept: degraded, not down, while the stream is away and the spool takes messages. Every
   * brain would be unready with its Redis otherwise, and chats would have nobody to answer them.
   */
  async checkCapture(): Promise<HealthIndicatorResult<'stream'>> {
    const result = await this.check();
    const { stream } = result;
    if (stream.status === 'up' || !this.capture.spoolHasRoom) return result;
    return this.indicators
      .check('stream')
      .degraded({ kind: this.kind, reason: String(stream.message), spooled: this.capture.spooled });
  }

  private get kind(): 'redis' | 'sqlite' {
    return this.settings.redis === undefined ? 'sqlite' : 'redis';
  }

  /** The indicator shows an error's message alone; the operator needs its cause. */
  private async explaining<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new Error(`${this.kind}: ${describeError(error)}`, { cause: error });
    }
  }
}
