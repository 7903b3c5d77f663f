/** Tokens to text, as the model's tokenizer does it; `previous` are the tokens before, for spaces between words. */
export type Detokenize = (tokens: readonly number[], previous: readonly number[]) => string;

const REPLACEMENT = '\uFFFD';
/** A character has at most four bytes, so at most four tokens. A longer run of broken bytes is no character at all. */
const MAX_TOKENS_PER_CHARACTER = 4;
/** Tokens of context that decide on a leading space. */
const CONTEXT_TOKENS = 4;

/**
 * Turns tokens into text one by one. A token that ends inside a character yields the empty string, and the token that
 * completes it yields the whole character, so that the pieces joined are the text.
 */
export class TokenTextDecoder {
  private pending: number[] = [];
  private previous: readonly number[];

  /** @param before the tokens that stand before the first one */
  constructor(
    private readonly detokenize: Detokenize,
    before: readonly number[] = [],
  ) {
    this.previous = before.slice(-CONTEXT_TOKENS);
  }

  push(token: number): string {
    this.pending.push(token);
    const text = this.detokenize(this.pending, this.previous);
    if (text.endsWith(REPLACEMENT) && this.pending.length < MAX_TOKENS_PER_CHARACTER) return '';
    return this.settle(text);
  }

  /** The text of what is still pending, at the end: broken bytes become U+FFFD. */
  flush(): string {
    return this.pending.length === 0 ? '' : this.settle(this.detokenize(this.pending, this.previous));
  }

  private settle(text: string): string {
    this.previous = [...this.previous, ...this.pending].slice(-CONTEXT_TOKENS);
    this.pending = [];
    return text;
  }
}
