import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** One minimal pair of BLiMP (Warstadt et al., TACL 2020): the same sentence, grammatical and not. */
const pairSchema = z.object({ paradigm: z.string(), good: z.string().min(1), bad: z.string().min(1) });
export type MinimalPair = z.infer<typeof pairSchema>;

/** Reads pairs from JSON lines. @throws Error that names the first line that is not a pair */
export function readPairs(file: string): MinimalPair[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.flatMap((line, index) => {
    if (line.trim() === '') return [];
    try {
      return [pairSchema.parse(JSON.parse(line))];
    } catch (error) {
      throw new Error(`${file}, line ${index + 1}: not a pair {"paradigm", "good", "bad"}`, { cause: error });
    }
  });
}

export interface ParadigmResult {
  readonly paradigm: string;
  readonly pairs: number;
  readonly correct: number;
}

/** A pair is right when the good sentence has the higher total logprob; a tie is not. */
export function countCorrect(
  pairs: readonly MinimalPair[],
  totals: readonly { good: number; bad: number }[],
): ParadigmResult[] {
  const byParadigm = new Map<string, { pairs: number; correct: number }>();
  for (const [index, { paradigm }] of pairs.entries()) {
    const total = totals[index];
    const counts = byParadigm.get(paradigm) ?? { pairs: 0, correct: 0 };
    counts.pairs += 1;
    if (total && total.good > total.bad) counts.correct += 1;
    byParadigm.set(paradigm, counts);
  }
  return [...byParadigm].map(([paradigm, counts]) => ({ paradigm, ...counts }));
}
