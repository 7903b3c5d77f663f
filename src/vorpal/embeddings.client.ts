import { Inject, Injectable } from '@nestjs/common';
import { BrainError, CANARY_SENTENCE } from '../shared/index.js';
import { type EmbeddingResponse, embeddingResponseSchema, modelListSchema } from '@archive-brain/vllm-protocol';
import { readEmbeddings } from './embedding-vectors.js';
import { EmbeddingsEndpoint } from './endpoint/vorpal-endpoint.js';
import {
  VorpalEmbeddingsUnsupportedError,
  VorpalOverloadedError,
  VorpalProtocolError,
  VorpalRequestError,
  VorpalTimeoutError,
} from './vorpal.errors.js';
import type { VorpalHttp } from './http/vorpal-http.js';
import { EMBEDDINGS_HTTP } from './http/vorpal-http.module.js';
import { vorpalSettings, type VorpalSettings } from './vorpal.settings.js';

export interface TextEmbeddings {
  /** The server's name for it, which may be more exact than the requested one. */
  readonly model: string;
  readonly vectors: Float32Array[];
}

/** The purpose of an embedding. Some models expect it as a prefix of the text. */
export type EmbeddingRole = 'query' | 'passage';

export interface EmbedOptions {
  /** Not set: a passage, as memories are. */
  readonly role?: EmbeddingRole;
  readonly signal?: AbortSignal;
}

// One request with thousands of texts would pass the server's body limit and time limit.
const BATCH_TEXTS = 64;

// What most small embedding models read, for servers that do not say (vLLM and the local Vorpal do). Too small only
// costs requests; too large, and a server that cuts texts silently would not read all of a text.
const ASSUMED_WINDOW_TOKENS = 512;

// Asking costs the server work, and a call that fails makes the next check ask again.
const TRUSTED_MS = 10 * 60_000;

/** The embeddings server, over vLLM's HTTP protocol; the errors are those of `VorpalHttp`. */
@Injectable()
export class EmbeddingsClient {
  /** The address that has embedded, and until when it is trusted to go on. */
  private proven: { readonly url: string; readonly untilMs: number } | undefined;
  private window: { readonly url: string; readonly tokens: number } | undefined;

  constructor(
    @Inject(EMBEDDINGS_HTTP) private readonly http: VorpalHttp,
    private readonly endpoint: EmbeddingsEndpoint,
    @Inject(vorpalSettings.KEY) private readonly settings: VorpalSettings,
  ) {}

  /** How long calls have reached the server, as far as is known; 0 while they fail at once. */
  get healthyForMs(): number {
    return this.http.healthyForMs;
  }

  /** One vector per text, all of the same dimension and model, in their order. */
  async embed(texts: readonly string[], { role = 'passage', signal }: EmbedOptions = {}): Promise<TextEmbeddings> {
    const prefix = this.settings.embeddingPrefixes[role];
    const vectors: Float32Array[] = [];
    const models = new Set<string>();
    for (let start = 0; start < texts.length; start += BATCH_TEXTS) {
      const input = texts.slice(start, start + BATCH_TEXTS).map((text) => prefix + text.toWellFormed());
      const answer = await this.ask(input, this.settings.scoringTimeoutMs, signal);
      vectors.push(...readEmbeddings(answer, input.length));
      models.add(answer.model);
    }
    const odd = vectors.find(({ length }) => length !== vectors[0]?.length);
    if (odd)
      throw new VorpalProtocolError(`Embeddings of ${vectors[0]?.length} and ${odd.length} dimensions came back.`);
    const [model = '', other] = models;
    if (other !== undefined) throw new VorpalProtocolError(`Embeddings of ${model} and of ${other} came back.`);
    return { model, vectors };
  }

  /**
   * The tokens of one text that the model reads after a prefix. The server is asked once, and again after a refusal,
   * since it may have another model by then.
   */
  async windowTokens(signal?: AbortSignal): Promise<number> {
    const url = this.endpoint.url();
    if (this.window?.url !== url) this.window = { url, tokens: await this.askWindowTokens(signal) };
    // No prefix has more tokens than characters.
    const { query, passage } = this.settings.embeddingPrefixes;
    return this.window.tokens - Math.max(query.length, passage.length);
  }

  /**
   * For health checks: asks the server now whether it is alive, and has it embed a sentence unless it has embedded
   * lately. One that lets the sentence wait has much to do, and passes.
   */
  async check(signal?: AbortSignal): Promise<void> {
    await this.http.checkAlive(signal);
    if (this.isProven()) return;
    try {
      // Half of what the check as a whole may take: its other question needs time as well.
      await this.ask([CANARY_SENTENCE], this.settings.connectTimeoutMs / 2, signal);
    } catch (error) {
      if (error instanceof VorpalRequestError) throw new VorpalEmbeddingsUnsupportedError(error.message);
      if (!(error instanceof VorpalTimeoutError || error instanceof VorpalOverloadedError)) throw error;
    }
  }

  private async askWindowTokens(signal: AbortSignal | undefined): Promise<number> {
    const { connectTimeoutMs, embeddingsModel } = this.settings;
    const call = { path: '/v1/models', timeoutMs: connectTimeoutMs, signal };
    try {
      const { data } = await this.http.fetchJson(call, modelListSchema);
      return data.find(({ id }) => id === embeddingsModel)?.max_model_len ?? ASSUMED_WINDOW_TOKENS;
    } catch (error) {
      // Some serve embeddings and no list of models.
      if (error instanceof BrainError && !error.transient) return ASSUMED_WINDOW_TOKENS;
      throw error;
    }
  }

  private isProven(): boolean {
    if (this.proven === undefined) return false;
    return this.proven.url === this.endpoint.url() && performance.now() < this.proven.untilMs;
  }

  private async ask(input: readonly string[], timeoutMs: number, signal?: AbortSignal): Promise<EmbeddingResponse> {
    const url = this.endpoint.url();
    const body = { model: this.settings.embeddingsModel, input, encoding_format: 'base64' };
    const call = { path: '/v1/embeddings', body, timeoutMs, signal };
    try {
      const answer = await this.http.fetchJson(call, embeddingResponseSchema);
      this.proven = { url, untilMs: performance.now() + TRUSTED_MS };
      return answer;
    } catch (error) {
      if (error instanceof BrainError && !error.transient) this.proven = this.window = undefined;
      throw error;
    }
  }
}
