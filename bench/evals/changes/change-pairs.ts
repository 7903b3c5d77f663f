import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { comparableText, differenceOf } from '../../../src/memory/index.js';

/** `unpaired`: two texts of different pairs, put together by {@link unpairedOf}. */
export type PairKind = z.infer<typeof kindSchema> | 'unpaired';

const kindSchema = z.enum(['duplicate', 'paraphrase', 'update', 'negation', 'unrelated', 'different']);
/**
 * `fit`: the weights and the threshold come from these. `report`: seen by whoever chose the features and words, and not
 * fitted to. `check`: written after that was done. `blind`: written and kept before the model of then had judged any of
 * it.
 */
const partSchema = z.enum(['fit', 'report', 'check', 'blind']);
const pairSchema = z.object({
  before: z.string().min(1),
  after: z.string().min(1),
  kind: kindSchema,
  /** BCP 47. */
  language: z.string().min(2).default('und'),
  /** A question that both answer, each in its own way. */
  ask: z.string().min(1).optional(),
  part: partSchema.optional(),
});

/** Two texts of one user, the older one first, and what the newer one is to it. */
export interface ChangePair extends Omit<z.infer<typeof pairSchema>, 'kind'> {
  readonly kind: PairKind;
}

export interface EmbeddedPair extends ChangePair {
  /** Of the vectors of both texts; `null` without vectors. */
  readonly cosine: number | null;
}

/** Reads pairs from JSON lines. @throws Error that names the first line that is not a pair */
export function readChangePairs(file: string): ChangePair[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.flatMap((line, index) => {
    if (line.trim() === '') return [];
    try {
      return [pairSchema.parse(JSON.parse(line))];
    } catch (error) {
      throw new Error(`${file}, line ${index + 1}: not a pair {"before", "after", "kind"}`, { cause: error });
    }
  });
}

/** Whether the newer text makes the older one out of date. */
export const isChange = ({ kind }: Pick<ChangePair, 'kind'>): boolean => kind === 'update' || kind === 'negation';

export const differenceOfPair = ({ before, after }: Pick<ChangePair, 'before' | 'after'>) =>
  differenceOf(comparableText(before), comparableText(after));

/**
 * As many pairs again that have nothing to do with each other: each newer text with the older one of another pair of
 * its language and part. "I moved" changes where one lives, and nothing else that was said.
 */
export function unpairedOf(pairs: readonly ChangePair[]): ChangePair[] {
  const groups = Map.groupBy(pairs, ({ language, part }) => `${language} ${part ?? ''}`);
  return [...groups.values()].flatMap((group) => {
    const mixed = group.toSorted((a, b) => (hashOf(a) < hashOf(b) ? -1 : 1));
    if (mixed.length < 2) return [];
    return mixed.map(({ after, language, part }, index): ChangePair => {
      const other = mixed[(index + 1) % mixed.length] ?? mixed[0];
      return { before: other?.before ?? '', after, kind: 'unpaired', language, ...(part && { part }) };
    });
  });
}

const hashOf = ({ before, after }: ChangePair): string =>
  createHash('sha256').update(`${before}\n${after}`).digest('hex');
