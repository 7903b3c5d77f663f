import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { MemoryTask } from './memory-task.js';

const conversationsSchema = z.array(
  z.object({
    conversation: z.coerce.string(),
    turns: z.array(
      z.object({
        id: z.coerce.string(),
        session: z.coerce.string(),
        at: z.string(),
        role: z.enum(['user', 'assistant']),
        text: z.string().min(1),
      }),
    ),
    questions: z.array(z.object({ question: z.string(), category: z.string(), evidence: z.array(z.coerce.string()) })),
  }),
);

/**
 * Conversations of BEAM (Tavakoli et al., arXiv 2510.27246), user and assistant, with questions in the first person.
 * Those without evidence among the turns that go into the memory are left out.
 * @param withAssistant whether the assistant's turns go into the memory as well
 */
export function readBeam(file: string, withAssistant: boolean): MemoryTask[] {
  return conversationsSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).map(({ conversation, turns, questions }) => {
    const captured = new Set(turns.filter(({ role }) => withAssistant || role === 'user').map(({ id }) => id));
    return {
      userId: `beam-${conversation}`,
      turns: turns.map(({ at, ...turn }) => ({
        ...turn,
        words: turn.text,
        atMs: Date.parse(at),
        isCaptured: captured.has(turn.id),
      })),
      questions: questions.flatMap(({ question, category, evidence }) => {
        const found = [...new Set(evidence)].filter((id) => captured.has(id));
        return found.length === 0 ? [] : [{ text: question, category, evidence: found }];
      }),
    };
  });
}
