import { Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { Settings } from '../config/index.js';
import { VorpalClient } from './vorpal.client.js';

// Probes of several kinds come together; one question a second to the server answers them all.
const CACHE_MS = 1_000;

type Ask = (signal: AbortSignal) => Promise<Record<string, unknown>>;

/** Whether Vorpal answers and which model it has; whether the embeddings server embeds. */
@Injectable()
export class VorpalHealth {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly client: VorpalClient,
    private readonly settings: Settings,
  ) {}

  /** `up` with the model, or `down` with the reason, which also says what to do: the one a chat sent now would be given. */
  async check(): Promise<HealthIndicatorResult<'vorpal'>> {
    const { url } = this.settings.vorpal;
    return this.ask('vorpal', url, this.client.chatsFlowingForMs, async (signal) => {
      const model = await this.client.check(signal);
      return { model: model.id, max_model_len: model.maxModelLen };
    });
  }

  /** `up` with the model, or `down` with the reason. */
  async checkEmbeddings(): Promise<HealthIndicatorResult<'embeddings'>> {
    const { embeddingsUrl, embeddingsModel } = this.settings.vorpal;
    return this.ask('embeddings', embeddingsUrl, this.client.embeddingsFlowingForMs, async (signal) => {
      await this.client.checkEmbeddings(signal);
      return { model: embeddingsModel };
    });
  }

  private async ask<Key extends 'vorpal' | 'embeddings'>(
    key: Key,
    url: string | undefined,
    flowingForMs: number,
    question: Ask,
  ): Promise<HealthIndicatorResult<Key>> {
    const kind = url === undefined ? 'local' : 'remote';
    const session = this.indicators.check(key);
    const attempt = session
      .attempt(async ({ signal }) => ({ kind, ...(await question(signal)) }))
      .withTimeout(this.settings.vorpal.connectTimeoutMs);
    // What was seen before the circuit opened or closed says nothing about what a call meets now.
    const result: HealthIndicatorResult = await (flowingForMs > CACHE_MS ? attempt.cacheFor(CACHE_MS) : attempt);
    const seen = result[key];
    if (seen?.status === 'up') return result;
    return session.down({ kind, reason: String(seen?.message) });
  }
}
