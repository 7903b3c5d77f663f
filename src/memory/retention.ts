import type { Memory } from './memory.js';

// What the embedded model finds in a character of everyday text, for texts that nobody scored. Without it what a person adds
// by hand would be worth nothing.
const NATS_PER_CHARACTER = 0.9;

/**
 * What a memory is worth keeping, in nats; the least goes first where room runs out. It is the information of its words,
 * and more the oftener it was recalled: `information · (1 + ln(1 + recalls))`.
 */
export function retentionOf({
  informationNats,
  text,
  recallCount,
}: Pick<Memory, 'informationNats' | 'text' | 'recallCount'>): number {
  const nats = informationNats ?? text.length * NATS_PER_CHARACTER;
  return nats * (1 + Math.log(1 + recallCount));
}

/** UTF-8 bytes that count towards the limit of a user. */
export function bytesOf({ text, context, metadata }: Pick<Memory, 'text' | 'context' | 'metadata'>): number {
  return Buffer.byteLength(text) + Buffer.byteLength(context) + Buffer.byteLength(JSON.stringify(metadata));
}
