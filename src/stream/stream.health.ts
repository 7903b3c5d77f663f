import { Injectable } from '@nestjs/common';
import { HealthIndicatorService } from '@nestjs/terminus';
import { Settings } from '../config/index.js';
import { describeError } from '../shared/index.js';
import { InputStream } from './input-stream.port.js';

// A probe must be answered before its own time-out; Kubernetes gives one second unless told otherwise.
const CHECK_TIMEOUT_MS = 900;

@Injectable()
export class StreamHealth {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly stream: InputStream,
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

  private get kind(): 'redis' | 'sqlite' {
    return this.settings.stream.redisUrl === undefined ? 'sqlite' : 'redis';
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
