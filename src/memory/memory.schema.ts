import { z } from 'zod';
import {
  describeIssue,
  identifier,
  keptObject,
  optional,
  spokenText,
  userId,
  wellFormedText,
  withDefault,
} from '../http/index.js';
import { queryCount } from '../shared/index.js';
import { contentId } from './content-id.js';
import type { ImportResult } from './import-report.js';
import type { Decision, FoundMemory, Memory } from './memory.js';
import { type MemoryDraft, newMemory } from './memory.service.js';

// One request to the embedder and one to the store; a larger one would hold both for seconds.
const MAX_BATCH = 256;
const MAX_PAGE = 100;
const DEFAULT_PAGE = 20;
const DEFAULT_DECISIONS = 50;
const MAX_DECISIONS = 1_000;
// Metadata is kept with each memory and read with each search; a bound keeps it from being used as a file store.
const MAX_METADATA_CHARACTERS = 16_384;

const id = z.uuid('must be a UUID').toLowerCase();
const role = z.enum(['user', 'assistant'], 'must be user or assistant');
const time = z.iso.datetime({ offset: true, error: 'must be a date and time, like 2026-11-22T10:00:00Z' });
const metadata = keptObject.refine(
  (value) => JSON.stringify(value).length <= MAX_METADATA_CHARACTERS,
  `must have at most ${MAX_METADATA_CHARACTERS} characters as JSON`,
);
const similarity = z.number('must be a number').min(-1, 'must be at least -1').max(1, 'must be at most 1');
const finite = z.number().nullable();

const draftShape = {
  text: spokenText,
  session_id: optional(identifier),
  role: withDefault(role, 'user'),
  created_at: optional(time),
  metadata: withDefault(metadata, {}),
} as const;

/** `POST /memories`. */
export const addMemorySchema = z.strictObject({ user_id: userId, ...draftShape });
export type AddMemoryRequest = z.infer<typeof addMemorySchema>;

/** `POST /memories/batch`: memories of one user. */
export const addMemoriesSchema = z.strictObject({
  user_id: userId,
  memories: z
    .array(z.strictObject(draftShape))
    .min(1, 'must hold at least one memory')
    .max(MAX_BATCH, `must hold at most ${MAX_BATCH} memories`),
});
export type AddMemoriesRequest = z.infer<typeof addMemoriesSchema>;

/** `POST /memories/search`. */
export const searchMemoriesSchema = z.strictObject({
  query: spokenText,
  user_id: userId,
  limit: withDefault(
    z.int('must be a whole number').min(1, 'must be at least 1').max(MAX_PAGE, `must be at most ${MAX_PAGE}`),
    10,
  ),
  min_similarity: withDefault(similarity, -1),
  /** Whether the shadow buffer is searched as well. */
  include_shadow: withDefault(z.boolean('must be true or false'), false),
});
export type SearchMemoriesRequest = z.infer<typeof searchMemoriesSchema>;

export const listQuerySchema = z.strictObject({
  user_id: userId,
  limit: queryCount(DEFAULT_PAGE, MAX_PAGE),
  cursor: z.uuid('is not a cursor that this server gave out').optional(),
});
export type ListQuery = z.infer<typeof listQuerySchema>;

export const decisionsQuerySchema = z.strictObject({
  user_id: userId,
  limit: queryCount(DEFAULT_DECISIONS, MAX_DECISIONS),
});
export type DecisionsQuery = z.infer<typeof decisionsQuerySchema>;

export const ownerQuerySchema = z.strictObject({ user_id: userId });
export type OwnerQuery = z.infer<typeof ownerQuerySchema>;

/** For what cannot be undone the user must be named: nobody forgets everybody's shared memory by leaving a word out. */
export const namedOwnerQuerySchema = z.strictObject({ user_id: identifier });

export const memoryIdSchema = wellFormedText;

/** A line of an import: what an export wrote, or any part of it that has a `text`. */
const importedMemorySchema = z.strictObject({
  ...draftShape,
  id: optional(id),
  user_id: optional(z.string()),
  perplexity: finite.default(null),
  avg_logprob: finite.default(null),
  novelty: finite.default(null),
  surprise: finite.default(null),
  model: z.string().nullable().default(null),
  source: withDefault(z.enum(['worker', 'manual', 'promoted']), 'manual'),
  count: withDefault(z.int().min(1), 1),
  last_seen_at: optional(time),
});

/**
 * What is wrong with a line, or the memory in it; it belongs to `owner`, whatever user it names. Without an id it gets the one
 * of its content.
 */
export function readImportedMemory(value: unknown, owner: string): { memory: Memory } | { problem: string } {
  const { success, data, error } = importedMemorySchema.safeParse(value);
  if (!success) {
    const { path, message } = describeIssue(error.issues[0] ?? { message: 'not a memory' });
    return { problem: path === '' ? message : `${path}: ${message}` };
  }
  const draft = toDraft(data);
  const { text, role: speaker, session_id: sessionId = null } = data;
  const content = { userId: owner, text, role: speaker, sessionId, createdAtMs: draft.createdAtMs };
  const base = newMemory(owner, { ...draft, id: data.id ?? contentId(content) });
  return {
    memory: {
      ...base,
      perplexity: data.perplexity,
      avgLogprob: data.avg_logprob,
      novelty: data.novelty,
      surprise: data.surprise,
      model: data.model,
      source: data.source,
      count: data.count,
      lastSeenAtMs: data.last_seen_at === undefined ? base.createdAtMs : Date.parse(data.last_seen_at),
    },
  };
}

type DraftFields = z.infer<z.ZodObject<typeof draftShape>>;

export function toDraft({ text, session_id, role: speaker, created_at, metadata: more }: DraftFields): MemoryDraft {
  return {
    text,
    sessionId: session_id ?? null,
    role: speaker,
    metadata: more,
    ...(created_at !== undefined && { createdAtMs: Date.parse(created_at) }),
  };
}

/** A memory as the HTTP interface shows it. */
export function toMemoryBody(memory: Memory) {
  return {
    id: memory.id,
    text: memory.text,
    user_id: memory.userId,
    session_id: memory.sessionId,
    role: memory.role,
    created_at: new Date(memory.createdAtMs).toISOString(),
    perplexity: memory.perplexity,
    avg_logprob: memory.avgLogprob,
    novelty: memory.novelty,
    surprise: memory.surprise,
    model: memory.model,
    source: memory.source,
    metadata: memory.metadata,
    count: memory.count,
    last_seen_at: new Date(memory.lastSeenAtMs).toISOString(),
  };
}

export function toImportBody({ linesOmitted, ...result }: ImportResult) {
  return { ...result, lines_omitted: linesOmitted };
}

export function toFoundBody({ memory, similarity: found, tier }: FoundMemory) {
  return { ...toMemoryBody(memory), similarity: found, shadow: tier === 'shadow' };
}

export function toDecisionBody(decision: Decision) {
  return {
    id: decision.id,
    user_id: decision.userId,
    session_id: decision.sessionId,
    decided_at: new Date(decision.decidedAtMs).toISOString(),
    perplexity: decision.perplexity,
    information_nats: decision.informationNats,
    contextual: decision.contextual,
    plain_perplexity: decision.plainPerplexity,
    novelty: decision.novelty,
    nearest_id: decision.nearestId,
    surprise: decision.surprise,
    threshold: decision.threshold,
    mode: decision.mode,
    kept: decision.kept,
    reason: decision.reason,
    model: decision.model,
  };
}
