import { Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { Settings } from '../config/index.js';
import { VorpalClient } from './vorpal.client.js';

// Probes of several kinds come together; one question a second to the server answers them all.
const CACHE_MS = 1_000;

/** Whether Vorpal answers and which model it has. */
@Injectable()
export class VorpalHealth {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly client: VorpalClient,
    private readonly settings: Settings,
  ) {}

  async check(): Promise<HealthIndicatorResult<'vorpal'>> {
    const { url, connectTimeoutMs } = this.settings.vorpal;
    return this.indicators
      .check('vorpal')
      .attempt(async ({ signal }) => {
        const model = await this.client.check(signal);
        return { kind: url === undefined ? 'local' : 'remote', model: model.id, max_model_len: model.maxModelLen };
      })
      .withTimeout(connectTimeoutMs)
      .cacheFor(CACHE_MS);
  }
}
