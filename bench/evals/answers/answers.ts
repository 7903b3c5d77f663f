import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** What somebody said, a question that only this answers, and what the answer must name. */
const factSchema = z.strictObject({
  fact: z.string().min(1),
  question: z.string().min(1),
  /** One of them is enough; a `*` at the end stands for any ending of the word. */
  answers: z.array(z.string().min(1)).min(1),
});
export type AskedFact = z.infer<typeof factSchema>;

/** Reads facts from JSON lines. @throws Error that names the first line that is not one */
export function readFacts(file: string): AskedFact[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line, index) => {
      if (line.trim() === '') return [];
      try {
        return [factSchema.parse(JSON.parse(line))];
      } catch (error) {
        throw new Error(`${file}, line ${index + 1}: not a fact {"fact", "question", "answers"}`, { cause: error });
      }
    });
}

/** Whether `text` names one of the answers, as whole words in whatever case. */
export function namesAnswer(text: string, answers: readonly string[]): boolean {
  return answers.some((answer) => {
    const isStem = answer.endsWith('*');
    const words = (isStem ? answer.slice(0, -1) : answer).replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
    return new RegExp(String.raw`(?<![\p{L}\p{N}])${words}${isStem ? '' : String.raw`(?![\p{L}\p{N}])`}`, 'iu').test(
      text,
    );
  });
}

// Coprime to any even number of facts, so that the others of a fact are spread over the file.
const STRIDE = 13;

/** The facts that stand beside fact `index` in its user's memory: `count` others that do not name its answer. */
export function distractorsOf(facts: readonly AskedFact[], index: number, count: number): AskedFact[] {
  const asked = facts[index];
  if (!asked) return [];
  return Array.from({ length: facts.length - 1 }, (_, step) => facts[(index + (step + 1) * STRIDE) % facts.length])
    .filter((other) => other !== undefined && other !== asked && !namesAnswer(other.fact, asked.answers))
    .filter((other) => other !== undefined)
    .slice(0, count);
}
