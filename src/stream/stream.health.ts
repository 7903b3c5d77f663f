import { Inject, Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { describeError, withTimeLimit } from '../shared/index.js';
import { CaptureService } from './capture.service.js';
import { InputStream } from './input-stream.port.js';
import { streamSettings, type StreamSettings } from './stream.settings.js';

// A probe must be answered before its own time-out; Kubernetes gives one second unless told otherwise.
const CHECK_TIMEOUT_MS = 900;
// A local disk takes milliseconds; together with the other it stays below the three seconds of docs/operations.md.
const SPOOL_TIMEOUT_MS = 1_000;

@Injectable()
export class StreamHealth {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly stream: InputStream,
    private readonly capture: CaptureService,
    @Inject(streamSettings.KEY) private readonly settings: StreamSettings,
  ) {}

  /** Up if an append would work now and no captured message is in danger, with how far the workers are behind. */
  check() {
    return this.indicators
      .check('stream')
      .attempt(async () => {
        const { danger } = this.capture;
        if (danger !== undefined) throw new Error(danger);
        await this.explaining(() => this.stream.check());
        const { lag, pending, deadLetters } = await this.explaining(() => this.stream.statistics());
        return { kind: this.kind, lag, pending, dead_letters: deadLetters };
      })
      .withTimeout(CHECK_TIMEOUT_MS);
  }

  /**
   * Whether a message would be kept: degraded, not down, while the stream cannot be reached and the spool takes
   * messages. Every brain would be unready with its Redis otherwise, and chats would have nobody to answer them.
   */
  async checkCapture(): Promise<HealthIndicatorResult<'stream'>> {
    const result = await this.check();
    const { spooled, danger } = this.capture;
    if (danger !== undefined || (result.stream.status === 'up' && spooled === 0)) return result;
    const session = this.indicators.check('stream');
    if (result.stream.status === 'up') {
      return session.degraded({ kind: this.kind, reason: 'spooled messages are sent first', spooled });
    }
    const reason = String(result.stream.message);
    const refusal = await this.spoolRefusal();
    return refusal === undefined
      ? session.degraded({ kind: this.kind, reason, spooled })
      : session.down({ kind: this.kind, reason: `${reason}; spool: ${refusal}`, spooled });
  }

  private async spoolRefusal(): Promise<string | undefined> {
    try {
      return await withTimeLimit(SPOOL_TIMEOUT_MS, () => this.capture.spoolRefusal());
    } catch (error) {
      return describeError(error);
    }
  }

  private get kind(): 'redis' | 'sqlite' {
    return this.settings.backend;
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
