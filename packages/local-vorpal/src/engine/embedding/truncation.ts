/** Which part of a prompt that is too long is read. */
export interface Truncation {
  /** Most tokens that are kept. */
  readonly keep: number;
  /** Where the others are cut off: at the beginning (`left`) or at the end (`right`). */
  readonly side: 'left' | 'right';
}

export function truncateTokens(tokens: readonly number[], { keep, side }: Truncation): readonly number[] {
  if (side === 'right') return tokens.slice(0, keep);
  return tokens.slice(Math.max(0, tokens.length - keep));
}

export function truncateText(text: string, maxCharacters: number, side: Truncation['side']): string {
  const kept = side === 'right' ? text.slice(0, maxCharacters) : text.slice(Math.max(0, text.length - maxCharacters));
  // A surrogate pair that is cut in two is no character.
  return kept.toWellFormed();
}
