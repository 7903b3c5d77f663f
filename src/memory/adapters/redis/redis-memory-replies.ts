import { z } from 'zod';
import { clampSimilarity } from '../../store/memory-limits.js';

const flag = z.union([z.literal(0), z.literal(1)]).transform((value) => value === 1);
// As it is: one that cannot be read must not take the others of a reply with it.
const text = z.string().nullable();

/** The stored fields of a memory; `null` for a field that it does not have. */
export interface MemoryRow {
  readonly id: string;
  readonly body: string | null;
  /** What it is found by. */
  readonly index: string | null;
  readonly repetitions: string | null;
  readonly lastSeen: string | null;
  readonly recalls: string | null;
  readonly lastRecalled: string | null;
  readonly validFrom: string | null;
  readonly superseded: string | null;
  readonly supersedes: string | null;
  readonly pinned: string | null;
}

// Column by column, in the order in which the scripts read them.
const rowsReply = z.tuple([z.array(z.string())]).rest(z.array(text));

export function parseRows(reply: unknown): MemoryRow[] {
  const [ids, ...columns] = rowsReply.parse(reply);
  return ids.map((id, row) => {
    const at = (column: number): string | null => columns[column]?.[row] ?? null;
    return {
      ...{ id, body: at(0), index: at(1), repetitions: at(2), lastSeen: at(3), recalls: at(4), lastRecalled: at(5) },
      ...{ validFrom: at(6), superseded: at(7), supersedes: at(8), pinned: at(9) },
    };
  });
}

const decisionRow = z.tuple([z.string(), text]);

/** Id and body of a decision. */
export type DecisionRow = z.output<typeof decisionRow>;

export const parseFlag = (reply: unknown): boolean => flag.parse(reply);
export const parseCount = (reply: unknown): number => z.number().parse(reply);
export const parseDecisions = (reply: unknown): DecisionRow[] => z.array(decisionRow).parse(reply);

const status = z.enum(['new', 'known', 'duplicate', 'forgotten']);
const putReply = z.tuple([status, z.string(), flag, flag]);

export function parsePut(reply: unknown) {
  const [outcome, id, isFirstOfUser, hasMore] = putReply.parse(reply);
  return { outcome: { status: outcome, id }, isFirstOfUser, hasMore };
}

const replaceReply = z.tuple([status, z.string(), flag]).nullable();

export function parseReplace(reply: unknown) {
  const parsed = replaceReply.parse(reply);
  return parsed && { outcome: { status: parsed[0], id: parsed[1] }, hasMore: parsed[2] };
}

const changeReply = z.tuple([flag, flag]);

export function parseChange(reply: unknown) {
  const [isDone, hasMore] = changeReply.parse(reply);
  return { isDone, hasMore };
}

const recordReply = z.tuple([z.enum(['recorded', 'known', 'forgotten', 'stale']), flag, flag]);

export function parseRecord(reply: unknown) {
  const [outcome, isFirstOfUser, hasMore] = recordReply.parse(reply);
  return { outcome, isFirstOfUser, hasMore };
}

const wordsReply = z.tuple([z.number(), z.number(), z.array(z.number()), z.array(z.string())]);

export function parseWords(reply: unknown) {
  const [memories, length, frequencies, ids] = wordsReply.parse(reply);
  return { memories, length, frequencies, ids };
}

const number = z.coerce.number();

/** `VSIM … WITHSCORES`, whose scores are similarities moved to the range from 0 to 1. Nearest first. */
export function parseSimilarities(reply: unknown): Map<string, number> {
  const found = z.array(z.string()).parse(reply);
  const similarities = new Map<string, number>();
  for (const [index, id] of found.entries()) {
    if (index % 2 === 0) similarities.set(id, clampSimilarity(2 * number.parse(found[index + 1]) - 1));
  }
  return similarities;
}

const pendingReply = z.tuple([z.string(), z.array(z.string())]);

export function parsePending(reply: unknown) {
  const [cursor, ids] = pendingReply.parse(reply);
  return { cursor, ids };
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
