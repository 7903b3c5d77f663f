import type {
  ControlledEvaluateIndexOutput,
  ControlledEvaluateInputItem,
  LlamaContextSequence,
  LlamaModel,
  Token,
} from 'node-llama-cpp';
import { EngineFailedError } from '../../errors.js';
import type { GenerationListener, GenerationRequest } from '../language-model.js';
import { type PositionLogprobs, positionLogprobs } from '../logprobs.js';
import { choosesByRawLogits, isGreedy, type Sampling, seedOfStep } from '../sampling.js';
import type { Lane } from '../sequence-pool.js';
import { PREFILL_CHUNK_TOKENS, SCORED_CHUNK_TOKENS } from './batch-plan.js';

type NextTokenOptions = NonNullable<Exclude<ControlledEvaluateInputItem, Token>[1]['generateNext']>;
type NextToken = ControlledEvaluateIndexOutput['next'];

/** The library's priorities go from 1 to 5. */
const PRIORITY = { interactive: 5, background: 1 } as const;

/** Runs native work, and replaces the engine if it fails. @throws EngineFailedError */
export type Guard = <T>(work: () => Promise<T>) => Promise<T>;

/** Evaluates one prompt on one sequence, and generates what follows it token by token. */
export class LlamaGeneration {
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

  /** The logprobs of the token just chosen. */
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

/**
 * How many of the prompt's tokens the sequence has evaluated already. The last one is always evaluated again, because
 * its logits are needed.
 */
export function reusableTokens(sequence: LlamaContextSequence, prompt: readonly number[]): number {
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
