import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { MemoryTask, TaskQuestion, TaskTurn } from './memory-task.js';

const conversationSchema = z.object({
  conversation: z.coerce.string(),
  speakers: z.tuple([z.string(), z.string()]),
  turns: z.array(
    z.object({ id: z.string(), session: z.number(), at: z.string(), speaker: z.string(), text: z.string().min(1) }),
  ),
  questions: z.array(z.object({ question: z.string(), category: z.number().int(), evidence: z.array(z.string()) })),
});
type Conversation = z.infer<typeof conversationSchema>;

/**
 * `one-user`: each speaker in turn is the user, and what the other one says is only context. `two-speakers`: both are
 * in one store, as `Name (2023-05-08): …`.
 */
export const LOCOMO_VIEWS = ['one-user', 'two-speakers'] as const;
export type LocomoView = (typeof LOCOMO_VIEWS)[number];

const CATEGORIES = ['', 'multi-hop', 'temporal', 'open domain', 'single-hop', 'adversarial'];

/**
 * Conversations of LoCoMo (Maharana et al., ACL 2024) as a user of the product would have had them. Questions whose
 * evidence is no turn that goes into the memory are left out: nothing could find it.
 */
export function readLocomo(file: string, view: LocomoView): MemoryTask[] {
  const conversations = z.array(conversationSchema).parse(JSON.parse(readFileSync(file, 'utf8')));
  if (view === 'two-speakers') return conversations.map(bothSpeakers);
  return conversations.flatMap((conversation) =>
    conversation.speakers.map((speaker) => oneUser(conversation, speaker)),
  );
}

function bothSpeakers({ conversation, turns, questions }: Conversation): MemoryTask {
  return {
    userId: `locomo-${conversation}`,
    turns: turns.map((turn) => turnOf(turn, 'user', `${turn.speaker} (${dateOf(turn)}): ${turn.text}`)),
    questions: questionsOf(questions, new Set(turns.map(({ id }) => id))),
  };
}

const dateOf = ({ at }: Conversation['turns'][number]): string => new Date(readTime(at)).toISOString().slice(0, 10);

/** With the questions that name this speaker and not the other one, asked by the speaker. */
function oneUser({ conversation, speakers, turns, questions }: Conversation, speaker: string): MemoryTask {
  const other = speakers.find((name) => name !== speaker) ?? '';
  const own = new Set(turns.filter((turn) => turn.speaker === speaker).map(({ id }) => id));
  const asked = questions
    .filter(({ question }) => question.includes(speaker) && !question.includes(other))
    .map((question) => ({ ...question, question: inFirstPerson(question.question, speaker) }));
  return {
    userId: `locomo-${conversation}-${speaker}`,
    turns: turns.map((turn) => turnOf(turn, own.has(turn.id) ? 'user' : 'assistant')),
    questions: questionsOf(asked, own),
  };
}

function turnOf(turn: Conversation['turns'][number], role: TaskTurn['role'], text = turn.text): TaskTurn {
  const { id, session, at, text: words } = turn;
  return { id, session: String(session), atMs: readTime(at), role, text, words, isCaptured: role === 'user' };
}

function questionsOf(questions: Conversation['questions'], known: ReadonlySet<string>): TaskQuestion[] {
  return questions.flatMap(({ question, category, evidence }) => {
    const ids = [...new Set(evidence.flatMap((entry) => entry.split(';').map((id) => id.trim())))];
    const found = ids.filter((id) => known.has(id));
    const name = CATEGORIES[category] ?? String(category);
    return found.length === 0 ? [] : [{ text: question, category: name, evidence: found }];
  });
}

/** The name turned into I and my; the grammar stays as it is. */
export function inFirstPerson(question: string, name: string): string {
  return question
    .replaceAll(new RegExp(`\\b${name}['’]s?(?!\\p{L})`, 'gu'), 'my')
    .replaceAll(new RegExp(`\\b${name}\\b`, 'gu'), 'I');
}

/** As in "1:56 pm on 8 May, 2023"; the data names no time zone, UTC is taken. */
export function readTime(at: string): number {
  const match = /^(\d+):(\d+) (am|pm) on (\d+) (\w+), (\d+)$/.exec(at);
  if (match === null) throw new Error(`Not a time: ${at}`);
  const [, hour, minute, half, day, month, year] = match;
  const hours = (Number(hour) % 12) + (half === 'pm' ? 12 : 0);
  return Date.parse(`${day} ${month} ${year} ${hours}:${minute} UTC`);
}
