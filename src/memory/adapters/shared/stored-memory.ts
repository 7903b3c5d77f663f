import { z } from 'zod';
import type { Memory, Supersession } from '../../memory.js';
import { isPureQuestion } from '../../remember/questions.js';
import { type DecodedRecord, decodeRecord, parseJson, RECORD_VERSION } from './stored-record.js';

/** Under snake-case names, for other programs and for people to read; user and id are part of where it is kept. */
const storedMemory = z.object({
  text: z.string(),
  session_id: z.string().nullable(),
  role: z.enum(['user', 'assistant']),
  created_at_ms: z.number(),
  perplexity: z.number().nullable(),
  avg_logprob: z.number().nullable(),
  information_nats: z.number().nullable(),
  novelty: z.number().nullable(),
  surprise: z.number().nullable(),
  model: z.string().nullable(),
  source: z.enum(['worker', 'manual', 'promoted']),
  // Passed on as it is: a schema for records leaves out a key named __proto__.
  metadata: z.custom<Record<string, unknown>>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    'Invalid input: expected a JSON object',
  ),
  context: z.string(),
  is_question: z.boolean(),
  is_pinned: z.boolean(),
  count: z.number(),
  last_seen_at_ms: z.number(),
  recall_count: z.number(),
  last_recalled_at_ms: z.number().nullable(),
  valid_from_ms: z.number(),
  superseded_by: z.string().nullable(),
  superseded_at_ms: z.number().nullable(),
  superseded_reason: z.enum(['changed', 'edited', 'said_again']).nullable(),
  supersession_score: z.number().nullable(),
  supersedes: z.array(z.string()),
});

/** What a memory before version 2 is taken for: nobody wrote it. */
const addedIn2 = ({ text, created_at_ms: createdAtMs }: Record<string, unknown>): Partial<StoredMemory> => ({
  information_nats: null,
  context: '',
  is_question: typeof text === 'string' && isPureQuestion(text),
  is_pinned: false,
  recall_count: 0,
  last_recalled_at_ms: null,
  valid_from_ms: Number(createdAtMs),
  superseded_by: null,
  superseded_at_ms: null,
  superseded_reason: null,
  supersession_score: null,
  supersedes: [],
});

export type StoredMemory = z.output<typeof storedMemory>;

export function toStoredMemory(memory: Memory): StoredMemory & { readonly v: number } {
  return {
    v: RECORD_VERSION,
    text: memory.text,
    session_id: memory.sessionId,
    role: memory.role,
    created_at_ms: memory.createdAtMs,
    perplexity: memory.perplexity,
    avg_logprob: memory.avgLogprob,
    information_nats: memory.informationNats,
    novelty: memory.novelty,
    surprise: memory.surprise,
    model: memory.model,
    source: memory.source,
    metadata: memory.metadata,
    context: memory.context,
    is_question: memory.isQuestion,
    is_pinned: memory.isPinned,
    count: memory.count,
    last_seen_at_ms: memory.lastSeenAtMs,
    recall_count: memory.recallCount,
    last_recalled_at_ms: memory.lastRecalledAtMs,
    valid_from_ms: memory.validFromMs,
    superseded_by: memory.supersededBy?.id ?? null,
    superseded_at_ms: memory.supersededBy?.atMs ?? null,
    superseded_reason: memory.supersededBy?.reason ?? null,
    supersession_score: memory.supersededBy?.score ?? null,
    supersedes: [...memory.supersedes],
  };
}

/** @param stored of any version up to this one */
export function decodeStoredMemory(userId: string, id: string, stored: unknown): DecodedRecord<Memory> {
  const { record, problem } = decodeRecord(storedMemory, stored, addedIn2);
  return record ? { record: fromStored(userId, id, record) } : { problem };
}

/** A memory as JSON. @param body `null` where there is none */
export function decodeMemoryBody(userId: string, id: string, body: string | null): DecodedRecord<Memory> {
  const stored = parseJson(body);
  return stored === undefined
    ? { problem: body === null ? 'its body is missing' : 'it is no JSON' }
    : decodeStoredMemory(userId, id, stored);
}

export const encodeMemoryBody = (memory: Memory): string => JSON.stringify(toStoredMemory(memory));

function fromStored(userId: string, id: string, stored: StoredMemory): Memory {
  return {
    id,
    text: stored.text,
    userId,
    sessionId: stored.session_id,
    role: stored.role,
    createdAtMs: stored.created_at_ms,
    perplexity: stored.perplexity,
    avgLogprob: stored.avg_logprob,
    informationNats: stored.information_nats,
    novelty: stored.novelty,
    surprise: stored.surprise,
    model: stored.model,
    source: stored.source,
    metadata: stored.metadata,
    context: stored.context,
    isQuestion: stored.is_question,
    isPinned: stored.is_pinned,
    count: stored.count,
    lastSeenAtMs: stored.last_seen_at_ms,
    recallCount: stored.recall_count,
    lastRecalledAtMs: stored.last_recalled_at_ms,
    validFromMs: stored.valid_from_ms,
    supersededBy: supersessionOf(stored),
    supersedes: stored.supersedes,
  };
}

function supersessionOf(stored: StoredMemory): Supersession | null {
  const { superseded_by: id, superseded_at_ms: atMs, superseded_reason: reason, supersession_score: score } = stored;
  return id === null || atMs === null || reason === null ? null : { id, atMs, reason, score };
}
