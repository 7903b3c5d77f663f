import { Inject, Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { PerplexityScorer } from './scoring/perplexity.scorer.js';
import { VorpalClient } from './vorpal.client.js';
import { VorpalScoringPrefixError } from './vorpal.errors.js';
import { vorpalSettings, type VorpalSettings } from './vorpal.settings.js';

// Probes of several kinds come together; one question a second to the server answers them all.
const CACHE_MS = 1_000;

type Ask = (signal: AbortSignal) => Promise<Record<string, unknown>>;

/** Whether Vorpal answers and which model it has; whether the embeddings server embeds. */
@Injectable()
export class VorpalHealth {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly client: VorpalClient,
    private readonly scorer: PerplexityScorer,
    @Inject(vorpalSettings.KEY) private readonly settings: VorpalSettings,
  ) {}

  /**
   * `up` with the model, or `down` with the reason, which also says what to do: the one a chat sent now would be given.
   * `degraded` where chats are answered and nothing can be scored, because `SCORING_PREFIX` is wrong.
   */
  async check(): Promise<HealthIndicatorResult<'vorpal'>> {
    const { url } = this.settings;
    const result = await this.ask('vorpal', url, this.client.chatsHealthyForMs, async (signal) => {
      const model = await this.client.check(signal);
      return { model: model.id, max_model_len: model.maxModelLen, ...(await this.scoringProblem(signal)) };
    });
    const { status, reason, ...details } = result.vorpal;
    if (status !== 'up' || reason === undefined) return result;
    return this.indicators.check('vorpal').degraded({ ...details, reason });
  }

  private async scoringProblem(signal: AbortSignal): Promise<{ reason?: string }> {
    const { scoringPrefix } = this.settings;
    if (scoringPrefix === 'auto' || scoringPrefix === 'none') return {};
    try {
      await this.scorer.prefix(signal);
    } catch (error) {
      if (error instanceof VorpalScoringPrefixError) return { reason: error.message };
    }
    // Other failures are of the moment, and who scores tells of them.
    return {};
  }

  /** `up` with the model, or `down` with the reason. */
  async checkEmbeddings(): Promise<HealthIndicatorResult<'embeddings'>> {
    const { embeddingsUrl, embeddingsModel } = this.settings;
    return this.ask('embeddings', embeddingsUrl, this.client.embeddingsHealthyForMs, async (signal) => {
      await this.client.checkEmbeddings(signal);
      return { model: embeddingsModel };
    });
  }

  private async ask<Key extends 'vorpal' | 'embeddings'>(
    key: Key,
    url: string | undefined,
    healthyForMs: number,
    question: Ask,
  ): Promise<HealthIndicatorResult<Key>> {
    const kind = url === undefined ? 'local' : 'remote';
    const session = this.indicators.check(key);
    const attempt = session
      .attempt(async ({ signal }) => ({ kind, ...(await question(signal)) }))
      .withTimeout(this.settings.connectTimeoutMs);
    // Failures from before the circuit opened or closed do not count.
    const result: HealthIndicatorResult = await (healthyForMs > CACHE_MS ? attempt.cacheFor(CACHE_MS) : attempt);
    const seen = result[key];
    if (seen?.status === 'up') return result;
    return session.down({ kind, reason: String(seen?.message) });
  }
}
