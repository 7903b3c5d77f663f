import { wordsOf } from '../search/lexical-text.js';
import type { Memory } from '../memory.js';
import { toldIn } from '../remember/questions.js';

// The information of a character of everyday text by the embedded model. It stands in for a score where there is none,
// as with memories that a person adds by hand.
const NATS_PER_CHARACTER = 0.9;
// What only asks, greets or thanks goes first, and among its kind the most surprising last.
const LEAST_SHARE = 0.02;
// A longer text is judged by its beginning; somebody waits for what is written.
const MOST_CHARACTERS = 4_000;

/**
 * The value of a memory in nats; the memories with the lowest are evicted first. It grows with what the memory's words
 * tell and with the number of recalls: `information · told share · (1 + ln(1 + recalls))`.
 */
export function retentionOf({
  informationNats,
  text,
  isQuestion,
  recallCount,
}: Pick<Memory, 'informationNats' | 'text' | 'isQuestion' | 'recallCount'>): number {
  const nats = informationNats ?? text.length * NATS_PER_CHARACTER;
  const share = isQuestion ? LEAST_SHARE : Math.max(LEAST_SHARE, toldShare(text));
  return nats * share * (1 + Math.log(1 + recallCount));
}

/** UTF-8 bytes that count towards the limit of a user. */
export function bytesOf({ text, context, metadata }: Pick<Memory, 'text' | 'context' | 'metadata'>): number {
  return Buffer.byteLength(text) + Buffer.byteLength(context) + Buffer.byteLength(JSON.stringify(metadata));
}

/**
 * The part of a text's characters that stands in words it can be found by, each counted once, of sentences that are no
 * questions: a model is surprised by "Wow, how was it?" as well, and nobody will look for that.
 */
function toldShare(whole: string): number {
  const text = whole.slice(0, MOST_CHARACTERS);
  const words = toldIn(text).flatMap(wordsOf);
  const lengths = new Map(
    words.flatMap(({ terms: [term], text: { length } }) => (term ? [[term, length] as const] : [])),
  );
  const told = [...lengths.values()].reduce((sum, length) => sum + length, 0);
  return text.length === 0 ? 0 : told / text.length;
}
