import { z } from 'zod';
import type { Memory } from '../memory.js';
import { type DecodedRecord, decodeRecord, parseJson, RECORD_VERSION } from './stored-record.js';

/** Under snake-case names, for other programs and for people to read; user and id are part of where it is kept. */
const storedMemory = z.object({
  text: z.string(),
  session_id: z.string().nullable(),
  role: z.enum(['user', 'assistant']),
  created_at_ms: z.number(),
  perplexity: z.number().nullable(),
  avg_logprob: z.number().nullable(),
  novelty: z.number().nullable(),
  surprise: z.number().nullable(),
  model: z.string().nullable(),
  source: z.enum(['worker', 'manual', 'promoted']),
  // Passed on as it is: a schema for records leaves out a key named __proto__.
  metadata: z.custom<Record<string, unknown>>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    'Invalid input: expected a JSON object',
  ),
  count: z.number(),
  last_seen_at_ms: z.number(),
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
    novelty: memory.novelty,
    surprise: memory.surprise,
    model: memory.model,
    source: memory.source,
    metadata: memory.metadata,
    count: memory.count,
    last_seen_at_ms: memory.lastSeenAtMs,
  };
}

/** @param stored of any version up to this one */
export function decodeStoredMemory(userId: string, id: string, stored: unknown): DecodedRecord<Memory> {
  const { record, problem } = decodeRecord(storedMemory, stored);
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
    novelty: stored.novelty,
    surprise: stored.surprise,
    model: stored.model,
    source: stored.source,
    metadata: stored.metadata,
    count: stored.count,
    lastSeenAtMs: stored.last_seen_at_ms,
  };
}
