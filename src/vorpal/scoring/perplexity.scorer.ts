import { Inject, Injectable } from '@nestjs/common';
import { CANARY_SENTENCE, Semaphore } from '../../shared/index.js';
import { type Perplexity, perplexityOf } from './perplexity.js';
import type { PromptLogprobs } from './prompt-logprobs.js';
import { fewestRequests, ownEntries, type PlannedPrompt, planString, planWindow } from './scoring-prompts.js';
import { slidingWindows } from './sliding-windows.js';
import { findSpecialTokens, NO_SPECIAL_TOKENS, type SpecialTokens } from './special-tokens.js';
import type { ModelInfo } from '../model-lookup.js';
import { VorpalClient } from '../vorpal.client.js';
import {
  VorpalFailedError,
  VorpalProtocolError,
  VorpalRequestError,
  VorpalScoringUnsupportedError,
  VorpalTimeoutError,
} from '../vorpal.errors.js';
import { vorpalSettings, type VorpalSettings } from '../vorpal.settings.js';

export interface ScoringInput {
  readonly text: string;
  /**
   * Read before the text and not scored, joined to it as it is: end it with a line break, or whatever stands between
   * the two. Cut from its left where both together do not fit the model's window.
   */
  readonly context?: string;
  /** Whether the score without `context` is wanted as well, if it costs no request of its own. */
  readonly alsoPlain?: boolean;
}

export interface TextScore extends Perplexity {
  /** Tokens of the text, a first one without logprob included; those before it (BOS, separator, context) are not. */
  readonly tokenCount: number;
  readonly tokens: readonly { readonly token: string; readonly logprob: number | null }[];
  readonly model: string;
  /**
   * The token that the text was scored after (`SCORING_PREFIX`), beside a BOS that the tokenizer adds; `null`:
   * none.
   */
  readonly prefix: string | null;
  /** The score without context, if it was asked for and came with the same request. */
  readonly plain?: Perplexity;
  /**
   * Set where it has no perplexity because the server failed on the text, and did not refuse it: another attempt may
   * succeed. Not for failures to tokenize, which a server without that route has for every text.
   */
  readonly failure?: VorpalFailedError | VorpalProtocolError;
}

export interface ScoringOptions {
  readonly signal?: AbortSignal;
  /** Goes ahead of other texts and does not pause for chats: for short texts that others wait for. */
  readonly isUrgent?: boolean;
  /** Of each request, from when it is sent; not set: `VORPAL_SCORING_TIMEOUT_MS`. */
  readonly timeoutMs?: number;
  /** Called when the last request of a call is sent. */
  readonly onLastSent?: () => void;
}

/** One call of `score`. */
interface Run extends ScoringOptions {
  readonly model: ModelInfo;
  readonly specialTokens: SpecialTokens;
  /** By index of the text. */
  readonly errors: Map<number, TextError>;
}

/** The result for a prompt: its logprobs, or why the server did not score it. */
type Outcome = PromptLogprobs | TextError;
/** Failures that the text may have caused, as opposed to an unreachable server. */
type TextError = VorpalRequestError | VorpalFailedError | VorpalProtocolError;

// Tokenizing is cheap for the server, but each call holds a connection that chats need as well.
const TOKENIZE_CONCURRENCY = 8;

/** How surprising texts are to the language model: one prefill each, nothing generated. */
@Injectable()
export class PerplexityScorer {
  private known: { readonly model: string; readonly specialTokens: SpecialTokens } | undefined;

  constructor(
    private readonly client: VorpalClient,
    @Inject(vorpalSettings.KEY) private readonly settings: VorpalSettings,
  ) {}

  /**
   * One score per input, in their order.
   *
   * Inputs without context that are sure to fit are sent as strings; any others are tokenized first, and long ones
   * scored in overlapping windows. All stand after the tokens of {@link findSpecialTokens}, in every window. A call has
   * one request at the server at a time, so that long texts leave room for others; what a request holds does not change
   * a score. An input that the server cannot score, though it scores others, gets `perplexity: null` and a reason.
   * @throws the named errors of `vorpal.errors.ts` where the server is to blame; `AbortError`
   */
  async score(inputs: readonly ScoringInput[], options: ScoringOptions = {}): Promise<TextScore[]> {
    return this.client.withModel(options.signal, async (model) => {
      // Empty texts cost no question to the server.
      const isEmpty = inputs.every(({ text }) => text === '');
      const specialTokens = isEmpty ? NO_SPECIAL_TOKENS : await this.specialTokensOf(model, options.signal);
      return this.scoreWith(inputs, { ...options, model, specialTokens, errors: new Map() });
    });
  }

  /**
   * The token that texts are scored after, beside a BOS that the tokenizer adds; `null`: none.
   * @throws VorpalScoringPrefixError if `SCORING_PREFIX` names what is no single token of the model
   */
  async prefix(signal?: AbortSignal): Promise<string | null> {
    const { separator } = await this.client.withModel(signal, (model) => this.specialTokensOf(model, signal));
    return separator;
  }

  private async scoreWith(inputs: readonly ScoringInput[], run: Run): Promise<TextScore[]> {
    const { model, specialTokens } = run;
    const head = { model: model.id, prefix: specialTokens.separator };
    const prompts = await this.plan(inputs, run);
    // The scores of the plain forms follow those of the inputs.
    const entries: PromptLogprobs[][] = Array.from({ length: 2 * inputs.length }, () => []);
    const failures = new Map<number, TextScore['failure']>();
    for (const [planned, outcome] of await this.scoreAll(prompts, run)) {
      if (!isTextError(outcome)) entries[planned.text]?.push(ownEntries(planned, outcome));
      else {
        run.errors.set(planned.text, outcome);
        if (!(outcome instanceof VorpalRequestError)) failures.set(planned.text, outcome);
      }
    }
    if (run.errors.size > 0) await this.assertServerScores(prompts, run);
    return inputs.map((_, index) => {
      const error = run.errors.get(index);
      if (error) return unscorable(error, head, failures.get(index));
      const plain = entries[inputs.length + index] ?? [];
      return {
        ...toScore(entries[index] ?? [], head),
        ...(plain.length > 0 && { plain: perplexityOf(plain.flatMap(({ logprobs }) => logprobs)) }),
      };
    });
  }

  private async plan(inputs: readonly ScoringInput[], run: Run): Promise<PlannedPrompt[]> {
    const texts = inputs.flatMap((input, index) => (input.text === '' ? [] : [{ ...input, index }]));
    if (texts.length === 0) return [];
    const { scoringMaxTokensPerRequest, scoringWindowTokens } = this.settings;
    const maxTokens = Math.min(run.model.maxModelLen - 1, scoringWindowTokens, scoringMaxTokensPerRequest);
    const { specialTokens } = run;
    if (maxTokens < specialTokens.prefix.length + 2) {
      throw new VorpalScoringUnsupportedError(
        `The window of ${run.model.id} is too small to score in; use another model.`,
      );
    }
    const strings = texts.map(({ text, index }) => planString(index, text, specialTokens));
    const total = strings.reduce((sum, prompt) => sum + prompt.maxTokens, 0);
    const fits = total <= scoringMaxTokensPerRequest && strings.every((prompt) => prompt.maxTokens <= maxTokens);
    const asStrings = specialTokens.stringPrefix !== undefined && texts.every(({ context = '' }) => context === '');
    if (fits && asStrings) return strings;

    const ids = await this.tokenizeAll(texts, run);
    const overlap = this.settings.scoringWindowOverlapTokens;
    const plain: PlannedPrompt[] = [];
    const prompts = texts.flatMap(({ text, context = '', alsoPlain, index }) => {
      const parts = [ids.get(context) ?? [], ids.get(text) ?? []] as const;
      const error = parts.find(isTextError);
      if (error) run.errors.set(index, error);
      const [contextIds, message] = parts;
      if (isTextError(contextIds) || isTextError(message)) return [];
      const windowsOf = (contextIds: number[]) =>
        slidingWindows({ prefix: specialTokens.prefix, context: contextIds, message, maxTokens, overlap });
      if (alsoPlain && contextIds.length > 0) {
        plain.push(...windowsOf([]).map((window) => planWindow(inputs.length + index, window)));
      }
      return windowsOf(contextIds).map((window) => planWindow(index, window));
    });
    const all = [...prompts, ...plain];
    const requestsFor = (planned: PlannedPrompt[]) => fewestRequests(planned, scoringMaxTokensPerRequest);
    return requestsFor(all) === requestsFor(prompts) ? all : prompts;
  }

  /**
   * The ids of every text and context, each distinct one asked for once: the texts of a request often share a
   * context.
   */
  private async tokenizeAll(
    texts: readonly ScoringInput[],
    { model, signal }: Run,
  ): Promise<Map<string, number[] | TextError>> {
    const parts = new Set(texts.flatMap(({ text, context = '' }) => (context === '' ? [text] : [text, context])));
    const tokenize = async (text: string): Promise<[string, number[] | TextError]> => {
      try {
        return [text, await this.client.tokenize(text, { addSpecialTokens: false, model: model.id, signal })];
      } catch (error) {
        if (isTextError(error)) return [text, error];
        throw error;
      }
    };
    return new Map(await new Semaphore(TOKENIZE_CONCURRENCY).map([...parts], tokenize));
  }

  private async scoreAll(prompts: readonly PlannedPrompt[], run: Run): Promise<[PlannedPrompt, Outcome][]> {
    const outcomes: [PlannedPrompt, Outcome][] = [];
    while (outcomes.length < prompts.length)
      outcomes.push(...(await this.scoreFirst(prompts.slice(outcomes.length), run)));
    return outcomes;
  }

  /**
   * Scores the first of the prompts, as many as one request may hold now; where that fails because of one of them, or
   * takes too long, each by itself.
   */
  private async scoreFirst(prompts: readonly PlannedPrompt[], run: Run): Promise<[PlannedPrompt, Outcome][]> {
    let sent = prompts;
    try {
      const results = await this.client.scorePrompts(
        prompts.map(({ prompt }) => prompt),
        {
          ...optionsOf(run),
          sizes: prompts.map(({ maxTokens }) => maxTokens),
          onSent: (count) => {
            sent = prompts.slice(0, count);
            if (count === prompts.length) run.onLastSent?.();
          },
        },
      );
      return sent.flatMap((planned, index) => {
        const result = results[index];
        return result ? [[planned, result] satisfies [PlannedPrompt, Outcome]] : [];
      });
    } catch (error) {
      // A slow machine that cannot do the whole in time makes headway prompt by prompt; as one it would fail for ever.
      const divisible = isTextError(error) || error instanceof VorpalTimeoutError;
      if (!divisible || sent.length === 1) return sent.map((planned) => [planned, asTextError(error)]);
      const single: [PlannedPrompt, Outcome][] = [];
      for (const planned of sent) single.push(...(await this.scoreFirst([planned], run)));
      return single;
    }
  }

  /** Tells a text that cannot be scored from a server that scores nothing. @throws the errors of the server */
  private async assertServerScores(prompts: readonly PlannedPrompt[], run: Run): Promise<void> {
    if (prompts.some(({ text }) => !run.errors.has(text))) return;
    try {
      await this.client.scorePrompts([CANARY_SENTENCE], optionsOf(run));
    } catch (error) {
      if (!(error instanceof VorpalRequestError)) throw error;
      throw new VorpalScoringUnsupportedError(`Vorpal refuses to score even a plain sentence. ${error.message}`);
    }
  }

  /** Asked once per model: without it a BOS would count as a token of every text. */
  private async specialTokensOf({ id: model }: ModelInfo, signal?: AbortSignal): Promise<SpecialTokens> {
    if (this.known?.model === model) return this.known.specialTokens;
    const tokenize = (text: string, addSpecialTokens: boolean) =>
      this.client.tokenize(text, { addSpecialTokens, model, signal });
    const specialTokens = await findSpecialTokens(tokenize, this.settings.scoringPrefix);
    this.known = { model, specialTokens };
    return specialTokens;
  }
}

const optionsOf = ({ model, signal, isUrgent, timeoutMs }: Run) => ({ model: model.id, signal, isUrgent, timeoutMs });

/** @throws `error` itself if no text is to blame for it */
function asTextError(error: unknown): TextError {
  if (isTextError(error)) return error;
  throw error;
}

function isTextError(outcome: unknown): outcome is TextError {
  if (outcome instanceof VorpalScoringUnsupportedError) return false;
  return (
    outcome instanceof VorpalRequestError ||
    outcome instanceof VorpalFailedError ||
    outcome instanceof VorpalProtocolError
  );
}

function toScore(parts: readonly PromptLogprobs[], head: Pick<TextScore, 'model' | 'prefix'>): TextScore {
  const tokens = parts.flatMap((part) =>
    part.tokens.map((token, index) => ({ token, logprob: part.logprobs[index] ?? null })),
  );
  const perplexity = perplexityOf(tokens.map(({ logprob }) => logprob));
  return { ...perplexity, tokenCount: tokens.length, tokens, ...head };
}

const unscorable = (
  error: TextError,
  head: Pick<TextScore, 'model' | 'prefix'>,
  failure: TextScore['failure'],
): TextScore => ({
  perplexity: null,
  avgLogprob: null,
  reason: `Vorpal cannot score this text: ${error.message}`,
  tokenCount: 0,
  tokens: [],
  ...head,
  ...(failure && { failure }),
});
