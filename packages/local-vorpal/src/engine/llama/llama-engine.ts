import {
  getLlama,
  type Llama,
  type LlamaContext,
  type LlamaContextSequence,
  LlamaLogLevel,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp';
import type { Settings } from '../../settings.js';
import { EngineFailedError, EngineLoadError } from '../../errors.js';
import type { ChatTurn, GenerationListener, GenerationRequest, LanguageModel } from '../language-model.js';
import { type Lane, SequencePool } from '../sequence-pool.js';
import { batchTokens, planBatch } from './batch-plan.js';
import { ChatTemplate } from './chat-template.js';
import { type Guard, LlamaGeneration, reusableTokens } from './llama-generation.js';

export interface LlamaEngineOptions {
  readonly id: string;
  readonly path: string;
  readonly settings: Settings['server'];
  readonly signal: AbortSignal;
  /** Called once, when an evaluation has failed. The engine answers no more requests and must be replaced. */
  readonly onFailure: (error: Error) => void;
}

/** One model and one context, whose sequences are evaluated side by side in shared batches. */
export class LlamaEngine implements LanguageModel {
  readonly id: string;
  readonly windowTokens: number;
  readonly vocabularySize: number;
  readonly longestTokenLength: number;
  readonly queueLimit: number;
  private readonly vocabulary: readonly string[];
  private readonly pool: SequencePool<LlamaContextSequence>;
  private readonly chatTemplate: ChatTemplate;
  private failed = false;

  private constructor(
    private readonly llama: Llama,
    private readonly model: LlamaModel,
    context: LlamaContext,
    private readonly options: LlamaEngineOptions,
  ) {
    this.vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens;
    this.id = options.id;
    this.windowTokens = windowOf(model, options.settings);
    this.vocabularySize = this.vocabulary.length;
    this.longestTokenLength = this.vocabulary.reduce((longest, { length }) => Math.max(longest, length), 1);
    this.queueLimit = options.settings.queueLimit;
    this.chatTemplate = new ChatTemplate(model);
    const sequences = Array.from({ length: options.settings.sequences }, () => context.getSequence());
    this.pool = new SequencePool(sequences, options.settings.queueLimit);
  }

  /** @throws EngineLoadError, or the signal's reason */
  static async load(options: LlamaEngineOptions): Promise<LlamaEngine> {
    const { settings, signal } = options;
    let llama: Llama | undefined;
    try {
      llama = await getLlama({
        gpu: settings.gpu === 'off' ? false : settings.gpu,
        // Building from source would take minutes and a compiler; the package brings binaries.
        build: 'never',
        maxThreads: settings.threads,
        logLevel: LlamaLogLevel.error,
      });
      const model = await llama.loadModel({ modelPath: options.path, loadSignal: signal });
      const context = await model.createContext({
        sequences: settings.sequences,
        contextSize: windowOf(model, settings),
        batchSize: batchTokens(settings.sequences),
        // The library's default is one thread for each physical core of the machine. In a container that has fewer, it
        // is ten times slower.
        threads: settings.threads,
        flashAttention: true,
        createSignal: signal,
        batching: { itemPrioritizationStrategy: ({ items, size }) => planBatch(items, size) },
      });
      return new LlamaEngine(llama, model, context, options);
    } catch (error) {
      await llama?.dispose();
      signal.throwIfAborted();
      throw new EngineLoadError(options.id, settings, { cause: error });
    }
  }

  get runningCount(): number {
    return this.pool.runningCount;
  }

  get waitingCount(): number {
    return this.pool.waitingCount;
  }

  tokenize(text: string, withSpecialTokens: boolean): number[] {
    const tokens: number[] = this.model.tokenize(text, true);
    const { bos, shouldPrependBosToken } = this.model.tokens;
    const needsBos = withSpecialTokens && shouldPrependBosToken && bos !== null && tokens[0] !== bos;
    return needsBos ? [bos, ...tokens] : tokens;
  }

  detokenize = (tokens: readonly number[], previous: readonly number[]): string =>
    this.model.detokenize(tokens as readonly Token[], true, previous as readonly Token[]);

  pieceOf(token: number): string {
    return this.vocabulary[token] ?? '';
  }

  isSpecial(token: number): boolean {
    return this.model.isSpecialToken(token as Token) || this.model.isEogToken(token as Token);
  }

  renderChat(turns: readonly ChatTurn[]): number[] {
    return this.chatTemplate.render(turns);
  }

  assertRoomFor(count: number): void {
    this.pool.assertRoomFor(count);
  }

  async generate(request: GenerationRequest, signal: AbortSignal, listener: GenerationListener): Promise<void> {
    const lane: Lane = request.scorePrompt ? 'background' : 'interactive';
    const suitability = (sequence: LlamaContextSequence): number =>
      request.scorePrompt ? -sequence.nextTokenIndex : reusableTokens(sequence, request.prompt);
    const lease = await this.pool.acquire({ lane, signal, suitability });
    try {
      await new LlamaGeneration(request, lane, lease.sequence, this.model, signal, this.guard).run(listener);
    } finally {
      lease.release();
    }
  }

  async dispose(): Promise<void> {
    this.pool.close(new EngineFailedError());
    await this.llama.dispose();
  }

  /** Runs native work. After an error the native state is unknown, so the engine is closed and must be replaced. */
  private readonly guard: Guard = async (work) => {
    if (this.failed) throw new EngineFailedError();
    try {
      return await work();
    } catch (error) {
      const failure = new EngineFailedError({ cause: error });
      this.fail(failure);
      throw failure;
    }
  };

  private fail(failure: EngineFailedError): void {
    if (this.failed) return;
    this.failed = true;
    this.pool.close(failure);
    this.options.onFailure(failure);
  }
}

function windowOf(model: LlamaModel, settings: Settings['server']): number {
  return Math.min(settings.contextTokens, model.trainContextSize);
}
