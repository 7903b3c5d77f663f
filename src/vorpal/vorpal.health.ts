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

  /** `up` with the model, or `down` with the reason, which also says what to do. */
  async check(): Promise<HealthIndicatorResult<'vorpal'>> {
    const { url, connectTimeoutMs } = this.settings.vorpal;
    const kind = url === undefined ? 'local' : 'remote';
    const session = this.indicators.check('vorpal');
    const result = await session
      .attempt(async ({ signal }) => {
        const model = await this.client.check(signal);
        return { kind, model: model.id, max_model_len: model.maxModelLen };
      })
      .withTimeout(connectTimeoutMs)
      .cacheFor(CACHE_MS);
    if (result.vorpal.status === 'up') return result;
    return session.down({ kind, reason: String(result.vorpal.message) });
  }

  /** Whether the embeddings server answers. */
  checkEmbeddings() {
    const { embeddingsUrl, embeddingsModel, connectTimeoutMs } = this.settings.vorpal;
    const kind = embeddingsUrl === undefined ? 'local' : 'remote';
    return this.indicators
      .check('embeddings')
      .attempt(async ({ signal }) => {
        await this.client.checkEmbeddings(signal);
        return { kind, model: embeddingsModel };
      })
      .withTimeout(connectTimeoutMs)
      .cacheFor(CACHE_MS);
  }
}
