import { CANARY_SENTENCE } from '../../shared/index.js';
import {
  type EmbeddingRole,
  type TextEmbeddings,
  VorpalClient,
  VorpalContextLengthError,
  VorpalEmbeddingsUnsupportedError,
  VorpalRequestError,
} from '../../vorpal/index.js';
import { MemoryVectorError } from '../memory.errors.js';
import { proseOf } from './prose.js';
import { halves, textWindows, tokensAbout } from './text-windows.js';

// No embedding model in use reads less, so that for these texts nobody needs to know how much theirs reads.
const SHORT_TEXT_TOKENS = 128;
// What a model puts around a text.
const SPECIAL_TOKENS = 2;
// Of a text that the server finds too long however short its parts are; below this much something else is wrong.
const LEAST_CHARACTERS = 64;

export interface WindowOptions {
  /** Parts of one text that are embedded at most. */
  readonly maxWindows: number;
  /** Not set: a passage. */
  readonly role?: EmbeddingRole;
  readonly signal?: AbortSignal;
}

type EmbedOptions = Pick<WindowOptions, 'role' | 'signal'>;

/**
 * Embeds texts of any length as unit vectors. A text that is longer than the model's window is embedded in parts, and
 * its vector is their sum with the weights 1, 1/2, 1/3 …. A text that fits is one part. All short texts are one
 * request.
 */
export class WindowEmbedder {
  constructor(private readonly client: VorpalClient) {}

  /** One unit vector per text, of its prose. @throws MemoryVectorError, Vorpal's errors */
  async embed(whole: readonly string[], options: WindowOptions): Promise<TextEmbeddings> {
    const texts = whole.map(proseOf);
    const windowTokens = await this.windowTokens(texts, options);
    const windows = texts.map((text) => {
      const fits = tokensAbout(text) <= windowTokens;
      return fits ? [text] : textWindows(text, windowTokens - SPECIAL_TOKENS, options.maxWindows);
    });
    const { model, parts } = await this.embedParts(windows.flat(), options);
    let next = 0;
    const vectors = windows.map(({ length }) => {
      const own = parts.slice(next, next + length).flat();
      next += length;
      return joined(own);
    });
    return { model, vectors };
  }

  private async windowTokens(texts: readonly string[], { signal }: WindowOptions): Promise<number> {
    if (texts.every((text) => tokensAbout(text) <= SHORT_TEXT_TOKENS)) return SHORT_TEXT_TOKENS;
    return this.client.embeddingWindowTokens(signal);
  }

  /** One or more vectors for each text: what the server refuses as too long is halved until it does not. */
  private async embedParts(texts: readonly string[], options: EmbedOptions): Promise<EmbeddedParts> {
    try {
      const { model, vectors } = await this.client.embed(texts, options);
      return { model, parts: vectors.map((vector) => [toUnitVector(vector)]) };
    } catch (error) {
      if (!(error instanceof VorpalRequestError)) throw error;
      // Some of many is refused: halving the list finds it with few requests.
      if (texts.length > 1) return this.embedBoth(texts, options);
      if (!(error instanceof VorpalContextLengthError)) return this.blameTextOrServer(error, options.signal);
      const [text = ''] = texts;
      if (text.length <= LEAST_CHARACTERS) throw error;
      const { model, parts } = await this.embedParts(halves(text), options);
      return { model, parts: [parts.flat()] };
    }
  }

  private async embedBoth(texts: readonly string[], options: EmbedOptions): Promise<EmbeddedParts> {
    const middle = Math.ceil(texts.length / 2);
    const first = await this.embedParts(texts.slice(0, middle), options);
    const second = await this.embedParts(texts.slice(middle), options);
    return { model: second.model, parts: [...first.parts, ...second.parts] };
  }

  /** Tells a text that cannot be embedded from a server that embeds nothing. */
  private async blameTextOrServer(refusal: VorpalRequestError, signal: AbortSignal | undefined): Promise<never> {
    try {
      await this.client.embed([CANARY_SENTENCE], { signal });
    } catch (error) {
      if (error instanceof VorpalRequestError) throw new VorpalEmbeddingsUnsupportedError(error.message);
      throw error;
    }
    throw refusal;
  }
}

interface EmbeddedParts {
  readonly model: string;
  /** Unit vectors of each text's parts. */
  readonly parts: readonly (readonly Float32Array[])[];
}

/** The beginning of a text weighs most, because it names the subject; docs/decisions/0011 has the measurement. */
function joined(parts: readonly Float32Array[]): Float32Array {
  const [first, ...others] = parts;
  if (!first || others.length === 0) return first ?? new Float32Array();
  const sum = new Float32Array(first.length);
  parts.forEach((part, index) => {
    part.forEach((value, column) => {
      sum[column] = (sum[column] ?? 0) + value / (index + 1);
    });
  });
  return toUnitVector(sum);
}

function toUnitVector(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value ** 2;
  const length = Math.sqrt(squares);
  if (!Number.isFinite(length) || length === 0) {
    throw new MemoryVectorError(
      'The embeddings server answered with a vector without direction; check EMBEDDINGS_MODEL.',
    );
  }
  return vector.map((value) => value / length);
}
