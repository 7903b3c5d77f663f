import { z } from 'zod';
import { clampSimilarity } from '../memory-limits.js';
import type { MemoryTier } from '../memory.js';
import type { Nearest } from '../memory-store.port.js';

// Numbers come as text from hashes and sorted sets.
const number = z.coerce.number();
const flag = z.union([z.literal(0), z.literal(1)]).transform((value) => value === 1);

// As they are: one that cannot be read must not take the others of a reply with it.
const text = z.string().nullable();
const memoryRow = z.tuple([z.string(), text, text, text]);
const decisionRow = z.tuple([z.string(), text]);

/** Id and body of a memory, how often it was said again, and when it was seen last; `null`: never again, or no body. */
export type MemoryRow = z.output<typeof memoryRow>;
/** Id and body of a decision. */
export type DecisionRow = z.output<typeof decisionRow>;

export const parseFlag = (reply: unknown): boolean => flag.parse(reply);
export const parseCount = (reply: unknown): number => z.number().parse(reply);
export const parseMemories = (reply: unknown): MemoryRow[] => z.array(memoryRow).parse(reply);
export const parseDecisions = (reply: unknown): DecisionRow[] => z.array(decisionRow).parse(reply);

/** Of a memory by itself, `undefined` where there is no body and so no memory. */
export function parseMemory(id: string, [body, ...changes]: readonly (string | null)[]): MemoryRow | undefined {
  return body === null ? undefined : memoryRow.parse([id, body, ...changes]);
}

const putReply = z.tuple([flag, flag]);

export function parsePut(reply: unknown): { readonly isNew: boolean; readonly isFirstOfUser: boolean } {
  const [isNew, isFirstOfUser] = putReply.parse(reply);
  return { isNew, isFirstOfUser };
}

const recordReply = z.tuple([z.enum(['recorded', 'known', 'forgotten']), flag]);

export function parseRecord(reply: unknown) {
  const [outcome, isFirstOfUser] = recordReply.parse(reply);
  return { outcome, isFirstOfUser };
}

export interface FoundRow {
  readonly tier: MemoryTier;
  readonly similarity: number;
  readonly row: MemoryRow;
}

const foundRow = z
  .tuple([z.enum(['memory', 'shadow']), number, ...memoryRow.def.items])
  .transform(([tier, similarity, ...row]): FoundRow => ({ tier, similarity: clampSimilarity(similarity), row }));

export const parseFound = (reply: unknown): FoundRow[] => z.array(foundRow).parse(reply);

const nearestReply = z.union([z.tuple([]), z.tuple([z.string(), number])]);

/** `VSIM … WITHSCORES COUNT 1`, whose score is a similarity moved to the range from 0 to 1. */
export function parseNearest(reply: unknown): Nearest | undefined {
  const found = nearestReply.parse(reply);
  return found.length === 0 ? undefined : { id: found[0], similarity: clampSimilarity(2 * found[1] - 1) };
}

const pendingReply = z.tuple([z.string().nullable(), z.array(z.string())]);

export function parsePending(reply: unknown) {
  const [last, ids] = pendingReply.parse(reply);
  return { last, ids };
}

const progressReply = z.tuple([z.number(), z.number()]);

export function parseProgress(reply: unknown) {
  const [total, done] = progressReply.parse(reply);
  return { total, done };
}

/** The sums of a model as they are stored: numbers with spaces between them. `undefined` for anything else. */
export function parseSums(stored: string | null): number[] | undefined {
  const sums = (stored ?? '').split(' ').filter(Boolean).map(Number);
  return sums.some(Number.isNaN) ? undefined : sums;
}
