import { readFileSync } from 'node:fs';
import { z } from 'zod';

const conversationSchema = z.object({
  conversation: z.coerce.string(),
  speakers: z.tuple([z.string(), z.string()]),
  turns: z.array(
    z.object({ id: z.string(), session: z.number(), at: z.string(), speaker: z.string(), text: z.string().min(1) }),
  ),
  questions: z.array(z.object({ question: z.string(), category: z.number().int(), evidence: z.array(z.string()) })),
});

/** A conversation of LoCoMo (Maharana et al., ACL 2024) with its questions and the turns that answer them. */
export interface Conversation {
  readonly name: string;
  readonly turns: readonly ConversationTurn[];
  readonly questions: readonly Question[];
}

export interface ConversationTurn {
  readonly id: string;
  readonly session: number;
  readonly atMs: number;
  readonly speaker: string;
  /** The first speaker stands for the user, the other one for the assistant. */
  readonly role: 'user' | 'assistant';
  readonly text: string;
}

export interface Question {
  readonly text: string;
  readonly category: number;
  /** Ids of turns of the same conversation; never empty. */
  readonly evidence: readonly string[];
}

/** Questions whose evidence is no turn of the conversation are left out: nothing could find it. */
export function readConversations(file: string): Conversation[] {
  const parsed = z.array(conversationSchema).parse(JSON.parse(readFileSync(file, 'utf8')));
  return parsed.map(({ conversation, speakers, turns, questions }) => {
    const known = new Set(turns.map(({ id }) => id));
    return {
      name: conversation,
      turns: turns.map(({ id, session, at, speaker, text }) => ({
        id,
        session,
        atMs: readTime(at),
        speaker,
        role: speaker === speakers[0] ? 'user' : 'assistant',
        text,
      })),
      questions: questions.flatMap(({ question, category, evidence }) => {
        const ids = [...new Set(evidence.flatMap((entry) => entry.split(';').map((id) => id.trim())))];
        const found = ids.filter((id) => known.has(id));
        return found.length === 0 ? [] : [{ text: question, category, evidence: found }];
      }),
    };
  });
}

/** As in "1:56 pm on 8 May, 2023"; the data names no time zone, UTC is taken. */
export function readTime(at: string): number {
  const match = /^(\d+):(\d+) (am|pm) on (\d+) (\w+), (\d+)$/.exec(at);
  if (match === null) throw new Error(`Not a time: ${at}`);
  const [, hour, minute, half, day, month, year] = match;
  const hours = (Number(hour) % 12) + (half === 'pm' ? 12 : 0);
  return Date.parse(`${day} ${month} ${year} ${hours}:${minute} UTC`);
}

/** Share of each question's evidence among the first `k` ids found for it, averaged over the questions. */
export function recallAt(k: number, questions: readonly Question[], found: readonly (readonly string[])[]): number {
  const shares = questions.map(({ evidence }, index) => {
    const top = new Set(found[index]?.slice(0, k));
    return evidence.filter((id) => top.has(id)).length / evidence.length;
  });
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

/** Reproducible numbers in [0, 1) (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
