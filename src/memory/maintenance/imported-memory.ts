import { z } from 'zod';
import { describeIssue, optional, wellFormedText, withDefault } from '../../http/index.js';
import { nameId } from '../../shared/index.js';
import type { Memory, Supersession } from '../memory.js';
import { draftShape, time, toDraft } from '../api/memory.schema.js';
import { newMemory } from '../remember/new-memory.js';

const MAX_ID_CHARACTERS = 200;
const MAX_LINKS = 1_000;
// Beyond it equal lines are one: an import may be endless.
const MAX_LINES_TOLD_APART = 100_000;
// Ids of lines go by it: with another one, what was imported before would count again.
const LINE_NAMESPACE = '0b1f0c6e-6a55-4c0e-9a2b-5d6f1f3f7c41';
// Parts of an address that mean something else than a memory.
const UNADDRESSABLE = ['.', '..', 'export', 'usage'];
const NO_CONTROL = /^\P{Cc}*$/u;

/** The id of a memory, whatever system gave it. */
const id = wellFormedText
  .min(1, 'must not be empty')
  .max(MAX_ID_CHARACTERS, `must have at most ${MAX_ID_CHARACTERS} characters`)
  .regex(NO_CONTROL, 'holds a control character')
  .refine((value) => !UNADDRESSABLE.includes(value), 'has another meaning in an address');
const finite = z.number().nullable();
const whole = z.int().min(0);

/** A line of an import: what an export wrote, or any part of it that has a `text`. */
const importedMemorySchema = z
  .strictObject({
    ...draftShape,
    id: optional(id),
    user_id: optional(z.string()),
    perplexity: finite.default(null),
    avg_logprob: finite.default(null),
    information_nats: finite.default(null),
    novelty: finite.default(null),
    surprise: finite.default(null),
    model: z.string().nullable().default(null),
    source: withDefault(z.enum(['worker', 'manual', 'promoted']), 'manual'),
    pinned: withDefault(z.boolean(), false),
    /** Follows from the text. */
    is_question: optional(z.boolean()),
    count: withDefault(z.int().min(1), 1),
    last_seen_at: optional(time),
    recall_count: withDefault(whole, 0),
    last_recalled_at: optional(time),
    valid_from: optional(time),
    superseded_by: optional(id),
    superseded_at: optional(time),
    supersession_reason: withDefault(z.enum(['changed', 'edited', 'said_again']), 'changed'),
    supersession_score: optional(z.number().min(0).max(1)),
    supersedes: withDefault(z.array(id).max(MAX_LINKS), []),
  })
  .refine((line) => line.superseded_by === undefined || line.superseded_at !== undefined, {
    path: ['superseded_at'],
    error: 'must be given with superseded_by',
  })
  .refine((line) => line.id === undefined || (line.superseded_by !== line.id && !line.supersedes.includes(line.id)), {
    path: ['superseded_by'],
    error: 'must be another memory',
  });

type ImportedLine = z.infer<typeof importedMemorySchema>;

/** A memory of an import, and whether its line says what it supersedes and what supersedes it. */
export interface ImportedMemory {
  readonly memory: Memory;
  readonly tellsLinks: boolean;
}

/** What lines of one import are given that have no id or no time. */
export class LineDefaults {
  private readonly timesSeen = new Map<string, number>();
  private lastMs = 0;

  /** Now, and later than what it said before, so that such lines stay in their order. */
  createdAtMs(): number {
    this.lastMs = Math.max(Date.now(), this.lastMs + 1);
    return this.lastMs;
  }

  /**
   * A UUIDv5, so that a line has the same id in every import. Equal lines of one import are numbered: the second has
   * another id than the first, and the same id in every import.
   */
  id(owner: string, { role, text, created_at: createdAtMs }: ImportedLine): string {
    const id = nameId(LINE_NAMESPACE, JSON.stringify([owner, role, text, createdAtMs ?? null]));
    const times = this.timesSeen.get(id) ?? 0;
    if (times > 0 || this.timesSeen.size < MAX_LINES_TOLD_APART) this.timesSeen.set(id, times + 1);
    return times === 0 ? id : nameId(LINE_NAMESPACE, `${id} ${times}`);
  }
}

/**
 * What is wrong with a line, or the memory in it.
 * @param owner whose it is, whatever user it names
 * @param defaults those of its import
 */
export function readImportedMemory(
  value: unknown,
  owner: string,
  defaults: LineDefaults,
): ImportedMemory | { problem: string } {
  const { success, data, error } = importedMemorySchema.safeParse(value);
  if (!success) {
    const { path, message } = describeIssue(error.issues[0] ?? { message: 'not a memory' });
    return { problem: path === '' ? message : `${path}: ${message}` };
  }
  const base = newMemory(owner, {
    ...toDraft(data),
    createdAtMs: data.created_at ?? defaults.createdAtMs(),
    id: data.id ?? defaults.id(owner, data),
  });
  return {
    // Exports write them also where there are none.
    tellsLinks: (isObject(value) && 'superseded_by' in value) || data.supersedes.length > 0,
    memory: {
      ...base,
      perplexity: data.perplexity,
      avgLogprob: data.avg_logprob,
      informationNats: data.information_nats,
      novelty: data.novelty,
      surprise: data.surprise,
      model: data.model,
      source: data.source,
      isPinned: data.pinned,
      count: data.count,
      lastSeenAtMs: data.last_seen_at ?? base.createdAtMs,
      recallCount: data.recall_count,
      lastRecalledAtMs: data.last_recalled_at ?? null,
      validFromMs: data.valid_from ?? base.createdAtMs,
      supersededBy: supersessionOf(data),
      supersedes: data.supersedes,
    },
  };
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function supersessionOf(line: ImportedLine): Supersession | null {
  if (line.superseded_by === undefined || line.superseded_at === undefined) return null;
  return {
    id: line.superseded_by,
    atMs: line.superseded_at,
    reason: line.supersession_reason,
    score: line.supersession_score ?? null,
  };
}
