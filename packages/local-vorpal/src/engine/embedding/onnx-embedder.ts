import {
  AutoModel,
  AutoTokenizer,
  env,
  type PreTrainedModel,
  type PreTrainedTokenizer,
  Tensor,
} from '@huggingface/transformers';
import { basename, dirname } from 'node:path';
import type { Settings } from '../../settings.js';
import { EngineFailedError, EngineLoadError } from '../../errors.js';
import type { EmbeddingModel } from './embedding-model.js';
import { meanOfRows, normalise } from './pooling.js';
import { type Lane, SequencePool } from '../sequence-pool.js';
import { type Truncation, truncateText, truncateTokens } from './truncation.js';

export interface OnnxEmbedderOptions {
  readonly id: string;
  readonly build: string;
  /** The folder that transformers.js reads: `config.json`, `tokenizer.json`, `onnx/model_quantized.onnx` and others. */
  readonly directory: string;
  /** Tokens that it reads, special ones included. */
  readonly windowTokens: number;
  /** Characters of its longest token. */
  readonly longestToken: number;
  readonly settings: Settings['server'];
}

/** What the tokenizers of BERT and XLM-RoBERTa put before a text, and after it. */
const SPECIAL_TOKENS = 2;

/** A sentence encoder on ONNX Runtime: mean over the tokens' last hidden states, scaled to unit length. */
export class OnnxEmbedder implements EmbeddingModel {
  readonly id: string;
  readonly build: string;
  readonly dimensions: number;
  readonly vocabularySize: number;
  readonly windowTokens: number;
  readonly maxCharacters: number;
  readonly queueLimit: number;
  private readonly pool: SequencePool<PreTrainedModel>;

  private constructor(
    private readonly tokenizer: PreTrainedTokenizer,
    private readonly model: PreTrainedModel,
    { id, build, windowTokens, longestToken, settings }: OnnxEmbedderOptions,
  ) {
    const config = model.config as unknown as { hidden_size: number; vocab_size: number };
    this.id = id;
    this.build = build;
    this.windowTokens = windowTokens;
    this.maxCharacters = windowTokens * longestToken;
    this.dimensions = config.hidden_size;
    this.vocabularySize = config.vocab_size;
    this.queueLimit = settings.queueLimit;
    // One text at a time: a quantised model scales a batch as a whole, so a vector would depend on the other texts.
    this.pool = new SequencePool([model], settings.queueLimit);
  }

  /** @throws EngineLoadError */
  static async load(options: OnnxEmbedderOptions): Promise<OnnxEmbedder> {
    const { directory, settings } = options;
    env.allowRemoteModels = false;
    env.useFSCache = false;
    env.localModelPath = dirname(directory);
    const name = basename(directory);
    try {
      const tokenizer = await AutoTokenizer.from_pretrained(name, { local_files_only: true });
      const model = await AutoModel.from_pretrained(name, {
        local_files_only: true,
        dtype: 'q8',
        device: 'cpu',
        // A second thread doubles the time of a sentence on busy processors (7 → 16 ms): the threads spin while they
        // wait.
        session_options: { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 },
      });
      return new OnnxEmbedder(tokenizer, model, options);
    } catch (error) {
      throw new EngineLoadError(options.id, settings, { cause: error });
    }
  }

  assertRoomFor(count: number): void {
    this.pool.assertRoomFor(count);
  }

  tokenize(text: string, truncation?: Truncation): readonly number[] {
    const readable = truncation ? truncateText(text, this.maxCharacters, truncation.side) : text;
    const ids = this.tokenizer.encode(readable);
    if (!truncation || ids.length <= truncation.keep) return ids;
    const { keep, side } = truncation;
    if (keep < SPECIAL_TOKENS) return ids.slice(0, keep);
    return [
      ...ids.slice(0, 1),
      ...truncateTokens(ids.slice(1, -1), { keep: keep - SPECIAL_TOKENS, side }),
      ...ids.slice(-1),
    ];
  }

  async embed(tokens: readonly number[], lane: Lane, signal: AbortSignal): Promise<Float32Array> {
    const lease = await this.pool.acquire({ lane, signal });
    try {
      return await this.run(tokens);
    } catch (error) {
      throw new EngineFailedError({ cause: error });
    } finally {
      lease.release();
    }
  }

  async dispose(): Promise<void> {
    this.pool.close(new EngineFailedError());
    await this.model.dispose();
  }

  private async run(ids: readonly number[]): Promise<Float32Array> {
    const row = (values: readonly number[]): Tensor =>
      new Tensor(
        'int64',
        BigInt64Array.from(values, (value) => BigInt(value)),
        [1, values.length],
      );
    const output = (await this.model({
      input_ids: row(ids),
      attention_mask: row(ids.map(() => 1)),
      token_type_ids: row(ids.map(() => 0)),
    })) as { last_hidden_state: { data: Float32Array } };
    return normalise(meanOfRows(output.last_hidden_state.data, this.dimensions));
  }
}
