import { CANARY_SENTENCE } from '../../shared/index.js';
import { VorpalProtocolError, VorpalScoringPrefixError } from '../vorpal.errors.js';

/** What stands around every text while it is scored. None of it counts as a token of the text. */
export interface SpecialTokens {
  /** Ids before a text that is sent as ids. */
  readonly prefix: readonly number[];
  /**
   * Put before a text that is sent as a string, so that the server makes `prefix` of it; `undefined`: send ids
   * instead.
   */
  readonly stringPrefix: string | undefined;
  /** Ids that the tokenizer puts behind a string (EOS). */
  readonly suffix: readonly number[];
  /** The token that was put before the text for its first token to be scored after, beside what the tokenizer adds. */
  readonly separator: string | null;
}

/** Special tokens that the tokenizer itself puts around a text (BOS, sometimes EOS). */
export type AddedTokens = Pick<SpecialTokens, 'prefix' | 'suffix'>;

/** Ids of a text, with or without the special tokens that the tokenizer adds. */
export type Tokenize = (text: string, addSpecialTokens: boolean) => Promise<readonly number[]>;

export const NO_SPECIAL_TOKENS: SpecialTokens = { prefix: [], stringPrefix: '', suffix: [], separator: null };

// What models without a BOS were trained to find between two documents, by how common it is.
const DOCUMENT_SEPARATORS = ['<|endoftext|>', '</s>', '<|end_of_text|>'];

// Some tokenizers treat a space behind a special token, or the start of a text, in ways of their own.
const PROBES = [CANARY_SENTENCE, ` ${CANARY_SENTENCE}`];

/**
 * What to put around texts that are scored.
 *
 * Without anything before it, a text's first token has no log-probability. `auto` leaves a tokenizer alone that adds a
 * BOS; else texts are scored after the model's document separator, as the language-model evaluation harness does, if
 * the tokenizer knows one as a single token. A context or a text of the user's own stands after it.
 * @param setting `SCORING_PREFIX`: `auto`, `none` or a token
 * @throws VorpalScoringPrefixError if a token was named that is not a single token here, or cannot be looked up
 */
export async function findSpecialTokens(tokenize: Tokenize, setting: string): Promise<SpecialTokens> {
  let withSpecial: readonly number[];
  let plain: readonly number[];
  try {
    [withSpecial, plain] = await Promise.all([tokenize(CANARY_SENTENCE, true), tokenize(CANARY_SENTENCE, false)]);
  } catch (error) {
    if (!(error instanceof VorpalProtocolError)) throw error;
    // A server without /tokenize can still score short texts; a BOS, if it adds one, then shows as their first token.
    if (setting === 'auto' || setting === 'none') return NO_SPECIAL_TOKENS;
    throw new VorpalScoringPrefixError(setting, `cannot be looked up: ${error.message}`);
  }
  const added = specialTokensBetween(withSpecial, plain);
  const bare = { ...(added ?? NO_SPECIAL_TOKENS), stringPrefix: '', separator: null };
  if (setting === 'none' || (setting === 'auto' && (!added || added.prefix.length > 0))) return bare;

  const found = setting === 'auto' ? await firstKnown(tokenize) : await named(tokenize, setting);
  if (!found) return bare;
  if (bare.prefix.at(-1) === found.id) return { ...bare, separator: found.token };
  const standsBeforeStrings = await isCleanlySplit(tokenize, found);
  return {
    prefix: [...bare.prefix, found.id],
    stringPrefix: standsBeforeStrings ? found.token : undefined,
    suffix: bare.suffix,
    separator: found.token,
  };
}

interface KnownToken {
  readonly token: string;
  readonly id: number;
}

async function firstKnown(tokenize: Tokenize): Promise<KnownToken | undefined> {
  const ids = await Promise.all(DOCUMENT_SEPARATORS.map((token) => tokenize(token, false)));
  const known = ids.flatMap(([id, ...others], index): KnownToken[] => {
    const token = DOCUMENT_SEPARATORS[index];
    return id !== undefined && others.length === 0 && token !== undefined ? [{ token, id }] : [];
  });
  return known[0];
}

async function named(tokenize: Tokenize, token: string): Promise<KnownToken> {
  const [id, ...others] = await tokenize(token, false);
  if (id === undefined || others.length > 0) {
    throw new VorpalScoringPrefixError(token, `is ${id === undefined ? 0 : 1 + others.length} tokens of this model`);
  }
  return { token, id };
}

/** Whether a string that begins with the token has the ids of the token and then those of the rest by itself. */
async function isCleanlySplit(tokenize: Tokenize, { token, id }: KnownToken): Promise<boolean> {
  const matches = PROBES.map(async (probe) => {
    const [joined, alone] = await Promise.all([tokenize(token + probe, false), tokenize(probe, false)]);
    return joined.length === alone.length + 1 && [id, ...alone].every((expected, index) => joined[index] === expected);
  });
  return (await Promise.all(matches)).every(Boolean);
}

/**
 * What the tokenizer puts around a text, from the ids of the same text with and without special tokens.
 * `undefined`, if the one does not contain the other: what such a tokenizer adds cannot be told apart from its text.
 */
export function specialTokensBetween(
  withSpecial: readonly number[],
  plain: readonly number[],
): AddedTokens | undefined {
  for (let start = 0; start + plain.length <= withSpecial.length; start++) {
    if (plain.every((id, offset) => withSpecial[start + offset] === id)) {
      return { prefix: withSpecial.slice(0, start), suffix: withSpecial.slice(start + plain.length) };
    }
  }
  return undefined;
}
