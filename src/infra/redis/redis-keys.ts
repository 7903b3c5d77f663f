/** The keys of one stream. */
export interface StreamKeys {
  readonly entries: string;
  readonly deadLetters: string;
  /** Sorted set of the ids appended last, by which a resend is recognised. */
  readonly knownIds: string;
}

/**
 * Every key the program uses in Redis, spelled here and nowhere else.
 *
 * The keys of one stream are touched together by scripts, so on a Redis Cluster they must share a slot. The derived keys
 * repeat the stream's name in full: a name with a hash tag (`{brain}:input_stream`) puts all of them on one slot.
 */
export function streamKeys({ key, deadLetterKey }: { key: string; deadLetterKey: string }): StreamKeys {
  return { entries: key, deadLetters: deadLetterKey, knownIds: `${key}:ids` };
}
