import type { FinishReason, GenerationEvent, LanguageModel } from './language-model.js';
import type { PositionLogprobs } from './logprobs.js';
import { StopStringScanner } from './stop-strings.js';
import { TokenTextDecoder } from './token-text.js';

/** What one event adds to an answer. */
export interface ChoiceDelta {
  readonly text: string;
  /** `null` where no logprobs were asked for. */
  readonly positions: readonly TokenPosition[] | null;
  readonly finishReason: FinishReason | null;
  /** The stop string that ended the text. */
  readonly stopReason: string | null;
}

/** One token of the answer, as text. */
export interface TokenPosition {
  /** Empty where the token ends inside a character; the token that completes it has the whole. */
  readonly text: string;
  /** Code points of the tokens before it. */
  readonly offset: number;
  /** `null` for the first token, before which nothing stands. */
  readonly logprob: number | null;
  /** The token itself first, then the most likely ones. */
  readonly top: readonly { readonly text: string; readonly logprob: number }[];
}

export interface ChoiceOptions {
  readonly prompt: readonly number[];
  /** The prompt as it is repeated before the answer; `null`: not at all. */
  readonly echoText: string | null;
  readonly withLogprobs: boolean;
  readonly stops: readonly string[];
  /** Only the prompt is answered; the token that had to be generated is left out. */
  readonly promptOnly: boolean;
}

type Vocabulary = Pick<LanguageModel, 'detokenize' | 'isSpecial'>;
type TokenEvent = Extract<GenerationEvent, { kind: 'token' }>;

/** Makes one choice of an answer out of the events of one generation: its text, its logprobs, why it ended. */
export class ChoiceAssembler {
  private generatedCount = 0;
  private offset = 0;
  private echo: string;
  private promptPositions: TokenPosition[] = [];
  private readonly pieces: TokenTextDecoder;
  private readonly answer: TokenTextDecoder;
  private readonly scanner: StopStringScanner;

  constructor(
    private readonly vocabulary: Vocabulary,
    private readonly options: ChoiceOptions,
  ) {
    this.echo = options.echoText ?? '';
    this.pieces = new TokenTextDecoder(vocabulary.detokenize);
    this.answer = new TokenTextDecoder(vocabulary.detokenize, options.prompt);
    this.scanner = new StopStringScanner(options.stops);
  }

  /** Tokens generated, those left out of the text included. */
  get completionTokens(): number {
    return this.generatedCount;
  }

  /** `undefined` for the prompt's event: its part comes with the first generated token, as vLLM does it. */
  accept(event: GenerationEvent): ChoiceDelta | undefined {
    if (event.kind === 'prompt') {
      const { prompt } = this.options;
      this.promptPositions = event.positions.map((position, index) => this.tokenPosition(prompt[index] ?? 0, position));
      return undefined;
    }
    this.generatedCount++;
    if (this.options.promptOnly) return this.delta(this.promptPositions, '', 'length', null);
    return this.tokenDelta(event);
  }

  private tokenDelta({ token, position, finish }: TokenEvent): ChoiceDelta {
    const positions = this.options.withLogprobs ? [...this.promptPositions, this.tokenPosition(token, position)] : [];
    const piece = this.vocabulary.isSpecial(token) ? '' : this.answer.push(token);
    const { text, stoppedBy } = this.scanner.push(finish ? piece + this.answer.flush() : piece);
    if (stoppedBy !== undefined) return this.delta(positions, text, 'stop', stoppedBy);
    return this.delta(positions, finish ? text + this.scanner.flush() : text, finish ?? null, null);
  }

  private delta(
    positions: readonly TokenPosition[],
    text: string,
    finishReason: FinishReason | null,
    stopReason: string | null,
  ): ChoiceDelta {
    const echo = this.echo;
    this.echo = '';
    this.promptPositions = [];
    return { text: echo + text, positions: this.options.withLogprobs ? positions : null, finishReason, stopReason };
  }

  private tokenPosition(token: number, position: PositionLogprobs | null): TokenPosition {
    const text = this.pieces.push(token);
    const offset = this.offset;
    this.offset += Array.from(text).length;
    const top = position?.top.map((entry, index) => ({
      text: index === 0 ? text : this.vocabulary.detokenize([entry.token], []),
      logprob: entry.logprob,
    }));
    return { text, offset, logprob: position?.logprob ?? null, top: top ?? [] };
  }
}

/** The deltas of one choice as one: what is answered when nothing is streamed. */
export function joinDeltas(deltas: readonly ChoiceDelta[]): ChoiceDelta {
  const last = deltas.at(-1);
  const withLogprobs = deltas.some(({ positions }) => positions !== null);
  return {
    text: deltas.map(({ text }) => text).join(''),
    positions: withLogprobs ? deltas.flatMap(({ positions }) => positions ?? []) : null,
    finishReason: last?.finishReason ?? null,
    stopReason: last?.stopReason ?? null,
  };
}
