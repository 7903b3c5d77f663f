import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Finding } from '../evidence.js';

/** What somebody said in one language, and a question in the same and one in another that only this answers. */
const sayingSchema = z.strictObject({
  fact: z.string().min(1),
  language: z.string().min(2),
  same: z.string().min(1),
  cross: z.string().min(1),
  cross_language: z.string().min(2),
});
export type Saying = z.infer<typeof sayingSchema>;

/** Reads sayings from JSON lines. @throws Error that names the first line that is not one */
export function readSayings(file: string): Saying[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line, index) => {
      if (line.trim() === '') return [];
      try {
        return [sayingSchema.parse(JSON.parse(line))];
      } catch (error) {
        const fields = '{"fact", "language", "same", "cross", "cross_language"}';
        throw new Error(`${file}, line ${index + 1}: not a saying ${fields}`, { cause: error });
      }
    });
}

/** The two kinds of questions: in the language of the fact, and in another. */
export const ASKED_IN = ['same', 'cross'] as const;
export type AskedIn = (typeof ASKED_IN)[number];

/** What a search for each question found, by the facts' texts. */
export async function findAll(
  sayings: readonly Saying[],
  askedIn: AskedIn,
  search: (question: string) => Promise<readonly string[]>,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const saying of sayings) {
    const found = await search(saying[askedIn]);
    findings.push({ category: askedIn, evidence: [saying.fact], found });
  }
  return findings;
}
