export interface SlidingWindowOptions {
  /** Tokens before every window (BOS, document separator); may be empty. */
  readonly prefix: readonly number[];
  /** Read before the message and not scored; cut from its left where the room is short. */
  readonly context: readonly number[];
  readonly message: readonly number[];
  /** Longest window. */
  readonly maxTokens: number;
  /** Tokens a window repeats from the one before it, so that its first counted token is not judged without context. */
  readonly overlap: number;
}

export interface SlidingWindow {
  readonly ids: readonly number[];
  /** Index in `ids` of the first token that counts; all after it count too. */
  readonly firstCounted: number;
}

/**
 * Cuts context and message into windows of at most `maxTokens` ids. Taken in order, the counted parts of the windows
 * are the message: every token once, and only the message's very first can be without a predecessor.
 * @throws RangeError if `maxTokens` leaves fewer than two places beside the prefix
 */
export function slidingWindows({
  prefix,
  context,
  message,
  maxTokens,
  overlap,
}: SlidingWindowOptions): SlidingWindow[] {
  const capacity = maxTokens - prefix.length;
  if (capacity < 2) throw new RangeError(`A window of ${maxTokens} tokens is too small to score in.`);
  // Without a prefix the first token of a window has no logprob, so at least one must be a repeated one; with more than
  // half of the window repeated, a long text would cost many times its length.
  const repeated = Math.min(Math.max(overlap, prefix.length === 0 ? 1 : 0), Math.floor(capacity / 2));
  const text = [...context, ...message];
  const keptContext = message.length <= capacity ? capacity - message.length : repeated;
  const windows: SlidingWindow[] = [];
  let counted = context.length;
  let start = Math.max(0, counted - keptContext);
  while (counted < text.length) {
    const end = Math.min(text.length, start + capacity);
    windows.push({ ids: [...prefix, ...text.slice(start, end)], firstCounted: prefix.length + counted - start });
    counted = end;
    start = end - repeated;
  }
  return windows;
}
