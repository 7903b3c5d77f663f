import { modelListSchema } from '@archive-brain/vllm-protocol';
import type { VorpalEndpoint } from './endpoint/vorpal-endpoint.js';
import { CallAbortedError, untilCallAborted } from './http/call-aborted.error.js';
import type { VorpalHttp } from './http/vorpal-http.js';
import { VorpalAnswerLengthError, VorpalContextLengthError, VorpalModelNotFoundError } from './vorpal.errors.js';

export interface ModelInfo {
  readonly id: string;
  /** Prompt plus generated tokens that fit. */
  readonly maxModelLen: number;
}

// For servers that do not say: vLLM and the local Vorpal always do. Too small only costs windows, too large fails.
const ASSUMED_MODEL_LEN = 2_048;

/** Which model calls are made with. Looked up once, and again after the server has moved or no longer knows it. */
export class ModelLookup {
  private underWay: { readonly url: string; readonly model: Promise<ModelInfo> } | undefined;
  private known: { readonly url: string; readonly model: ModelInfo } | undefined;

  /** @param wanted `VORPAL_MODEL`; not set: the first that the server lists */
  constructor(
    private readonly http: VorpalHttp,
    private readonly endpoint: VorpalEndpoint,
    private readonly wanted: string | undefined,
    private readonly timeoutMs: number,
  ) {}

  async list(signal?: AbortSignal): Promise<ModelInfo[]> {
    const call = { path: '/v1/models', isControl: true, timeoutMs: this.timeoutMs, signal };
    const { data } = await this.http.fetchJson(call, modelListSchema);
    return data.map((model) => ({ id: model.id, maxModelLen: model.max_model_len ?? ASSUMED_MODEL_LEN }));
  }

  /** @throws VorpalModelNotFoundError if the server does not list `VORPAL_MODEL`, or lists nothing */
  async current(signal?: AbortSignal): Promise<ModelInfo> {
    const url = this.endpoint.url();
    if (this.known?.url === url) return this.known.model;
    if (signal?.aborted) throw new CallAbortedError();
    // Chats that arrive together at a server that is just there would ask it all at once for the same.
    if (this.underWay?.url !== url) {
      const model = this.find(url).finally(() => (this.underWay = undefined));
      this.underWay = { url, model };
    }
    return untilCallAborted(this.underWay.model, signal);
  }

  /**
   * Runs `work` with the current model, and once more from the start if the server turns out to have another one
   * by now.
   */
  async with<T>(signal: AbortSignal | undefined, work: (model: ModelInfo) => Promise<T>): Promise<T> {
    const model = await this.current(signal);
    try {
      return await work(model);
    } catch (error) {
      const gone = error instanceof VorpalModelNotFoundError;
      // The same name may have come back with a shorter window.
      if (gone || error instanceof VorpalContextLengthError || error instanceof VorpalAnswerLengthError) {
        this.known = undefined;
      }
      if (!gone) throw error;
      const current = await this.current(signal);
      if (current.id === model.id) throw error;
      return work(current);
    }
  }

  private async find(url: string): Promise<ModelInfo> {
    const models = await this.list();
    const { wanted } = this;
    const model = wanted === undefined ? models[0] : models.find(({ id }) => id === wanted);
    if (model === undefined) throw modelNotListed(wanted, models);
    this.known = { url, model };
    return model;
  }
}

function modelNotListed(wanted: string | undefined, models: readonly ModelInfo[]): VorpalModelNotFoundError {
  if (wanted === undefined) return new VorpalModelNotFoundError('Vorpal lists no model; start it with one.');
  const listed = models.map(({ id }) => id).join(', ') || 'none';
  return new VorpalModelNotFoundError(
    `Vorpal does not have the model ${wanted} (it lists ${listed}); check VORPAL_MODEL.`,
  );
}
