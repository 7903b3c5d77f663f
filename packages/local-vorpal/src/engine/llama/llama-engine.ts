import {
  type ControlledEvaluateIndexOutput,
  type ControlledEvaluateInputItem,
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
import { batchTokens, planBatch, PREFILL_CHUNK_TOKENS, SCORED_CHUNK_TOKENS } from './batch-plan.js';
import { ChatTemplate } from './chat-template.js';
import type { ChatTurn, GenerationListener, GenerationRequest, LanguageModel } from '../language-model.js';
import { type PositionLogprobs, positionLogprobs } from '../logprobs.js';
import { choosesByRawLogits, isGreedy, type Sampling, seedOfStep } from '../sampling.js';
import { type Lane, SequencePool } from '../sequence-pool.js';

export interface LlamaEngineOptions {
  readonly id: string;
  readonly path: string;
  readonly settings: Settings['server'];
  readonly signal: AbortSignal;
  /** Called once, when an evaluation failed: the engine answers nothing any more and must be replaced. */
  readonly onFailure: (error: Error) => void;
}

type NextTokenOptions = NonNullable<Exclude<ControlledEvaluateInputItem, Token>[1]['generateNext']>;
type NextToken = ControlledEvaluateIndexOutput['next'];

/** The library's priorities go from 1 to 5. */
const PRIORITY = { interactive: 5, background: 1 } as const;

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
        // Without the number the library takes one thread a physical core of the machine, not of the process: ten times slower in a container.
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
      await new Generation(request, lane, lease.sequence, this.model, signal, this.guard).run(listener);
    } finally {
      lease.release();
    }
  }

  async dispose(): Promise<void> {
    this.pool.close(new EngineFailedError());
    await this.llama.dispose();
  }

  /** Runs native work. What it throws says nothing about the state it left behind, so the engine is given up. */
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

type Guard = <T>(work: () => Promise<T>) => Promise<T>;

/** One prompt on one sequence. */
class Generation {
  private readonly generated: number[] = [];

  constructor(
    private readonly request: GenerationRequest,
    private readonly lane: Lane,
    private readonly sequence: LlamaContextSequence,
    private readonly model: LlamaModel,
    private readonly signal: AbortSignal,
    private readonly guard: Guard,
  ) {}

  async run(listener: GenerationListener): Promise<void> {
    let next = await this.evaluatePrompt(listener);
    for (;;) {
      const token = next.token;
      if (token === undefined || token === null) {
        throw new EngineFailedError({ cause: new Error('The engine chose no token.') });
      }
      const position = await this.positionOf(token, next);
      this.generated.push(token);
      const finish = this.finishReason(token);
      const verdict = await listener({ kind: 'token', token, position, finish });
      if (finish !== undefined || verdict === 'stop') return;
      next = await this.evaluateLast(token, this.nextTokenOptions());
    }
  }

  private finishReason(token: Token): 'stop' | 'length' | undefined {
    if (!this.request.ignoreEos && this.model.isEogToken(token)) return 'stop';
    return this.generated.length >= this.request.maxTokens ? 'length' : undefined;
  }

  /** Evaluates the prompt, reports its logprobs if wanted, and returns the choice of the token after it. */
  private async evaluatePrompt(listener: GenerationListener): Promise<NextToken> {
    const { prompt, scorePrompt } = this.request;
    const reused = scorePrompt ? 0 : reusableTokens(this.sequence, prompt);
    await this.keepOnly(reused);
    const positions: (PositionLogprobs | null)[] = [null];
    const chunkTokens = scorePrompt ? SCORED_CHUNK_TOKENS : PREFILL_CHUNK_TOKENS;
    let last: NextToken = {};
    for (let start = reused; start < prompt.length; start += chunkTokens) {
      const end = Math.min(start + chunkTokens, prompt.length);
      const output = await this.evaluate(prompt.slice(start, end).map((_, offset) => this.inputAt(start + offset)));
      last = output.at(end - start - 1)?.next ?? {};
      if (scorePrompt) positions.push(...this.positionsOf(output, start, end));
    }
    if (scorePrompt) await listener({ kind: 'prompt', positions });
    return last;
  }

  private inputAt(index: number): ControlledEvaluateInputItem {
    const { prompt, scorePrompt } = this.request;
    const token = prompt[index] as Token;
    if (index === prompt.length - 1) return [token, { generateNext: this.nextTokenOptions() }];
    return scorePrompt ? [token, { generateNext: this.logprobOptions(prompt[index + 1] as Token) }] : token;
  }

  private positionsOf(output: ControlledEvaluateIndexOutput[], start: number, end: number): PositionLogprobs[] {
    const { prompt } = this.request;
    const scoredEnd = Math.min(end, prompt.length - 1);
    return output
      .slice(0, scoredEnd - start)
      .map(({ next }, offset) => this.readLogprobs(next, prompt[start + offset + 1] as Token));
  }

  /** What the model said about the token just chosen. */
  private async positionOf(token: Token, next: NextToken): Promise<PositionLogprobs | null> {
    if (this.request.logprobs === null) return null;
    if (choosesByRawLogits(this.request.sampling)) return this.readLogprobs(next, token);
    // Temperature and penalties change the logits that the engine returns, and vLLM answers the raw ones.
    const last = this.generated.at(-1) ?? this.request.prompt.at(-1);
    await this.keepOnly(this.sequence.nextTokenIndex - 1);
    return this.readLogprobs(await this.evaluateLast(last as Token, this.logprobOptions(token)), token);
  }

  private readLogprobs({ logits, totalLogitWeight }: NextToken, token: Token): PositionLogprobs {
    return positionLogprobs(
      { logits: logits ?? new Map<number, number>(), totalWeight: totalLogitWeight ?? NaN },
      token,
      this.request.logprobs ?? 0,
    );
  }

  private nextTokenOptions(): NextTokenOptions {
    const { sampling, logprobs } = this.request;
    const options = samplerOptions(sampling, this.generated);
    const rawLogits = logprobs !== null && choosesByRawLogits(sampling);
    return { token: true, options, ...(rawLogits ? this.logprobOptions() : {}) };
  }

  /**
   * Logits of `token`, of the greedy choice, which is the largest, and of the alternatives. (The library's own
   * `includeMax` leaves the largest out unless it is asked for by name.) Listing one alternative needs no more; listing
   * more makes the engine sort the vocabulary, which is four times slower.
   */
  private logprobOptions(token?: Token): NextTokenOptions {
    const alternatives = this.request.logprobs ?? 0;
    return {
      totalLogitWeight: true,
      logits: {
        filter: {
          tokens: token === undefined ? [] : [token],
          includeSelected: true,
          ...(alternatives > 1 ? { includeTop: alternatives } : {}),
        },
      },
    };
  }

  private async evaluateLast(token: Token, options: NextTokenOptions): Promise<NextToken> {
    const [output] = await this.evaluate([[token, { generateNext: options }]]);
    return output?.next ?? {};
  }

  private evaluate(input: ControlledEvaluateInputItem[]): Promise<ControlledEvaluateIndexOutput[]> {
    this.signal.throwIfAborted();
    return this.guard(async () => {
      const output = await this.sequence.controlledEvaluate(input, { evaluationPriority: PRIORITY[this.lane] });
      return output as ControlledEvaluateIndexOutput[];
    });
  }

  /** Forgets what the sequence holds beyond its first `count` tokens. */
  private async keepOnly(count: number): Promise<void> {
    const held = this.sequence.nextTokenIndex;
    if (held > count) await this.guard(() => this.sequence.eraseContextTokenRanges([{ start: count, end: held }]));
  }
}

function windowOf(model: LlamaModel, settings: Settings['server']): number {
  return Math.min(settings.contextTokens, model.trainContextSize);
}

/** How many of the prompt's tokens the sequence has evaluated already. The last one is always evaluated anew, for its logits. */
function reusableTokens(sequence: LlamaContextSequence, prompt: readonly number[]): number {
  const held: readonly number[] = sequence.contextTokens;
  const limit = Math.min(held.length, prompt.length - 1);
  let count = 0;
  while (count < limit && held[count] === prompt[count]) count++;
  return count;
}

function samplerOptions(sampling: Sampling, generated: readonly number[]): NextTokenOptions['options'] {
  const { temperature, topK, topP, minP, frequencyPenalty, presencePenalty } = sampling;
  return {
    temperature: isGreedy(sampling) ? 0 : temperature,
    topK,
    topP,
    minP,
    seed: seedOfStep(sampling.seed, generated.length),
    repeatPenalty: {
      penalty: 1,
      frequencyPenalty,
      presencePenalty,
      punishTokens: generated as readonly Token[] as Token[],
    },
  };
}
