import { z } from 'zod';
import { camelCaseCodec } from '../../shared/index.js';
import type { Memory, Supersession } from '../memory.js';

/**
 * The fields of a memory in snake case, as both stores keep them; the HTTP interface shows the same fields, with other
 * forms of times. User and id are not among them, because they are in the key of the record.
 */
const memoryFields = z.object({
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

export type MemoryFields = z.output<typeof memoryFields>;

/** Reads {@link MemoryFields}; what comes out is for {@link toMemory}. */
export const memoryCodec = camelCaseCodec(memoryFields);

/** @param fields as {@link memoryCodec} decoded them */
export function toMemory(userId: string, id: string, fields: z.output<typeof memoryCodec>): Memory {
  const { supersededBy, supersededAtMs, supersededReason, supersessionScore, ...same } = fields;
  const isSuperseded = supersededBy !== null && supersededAtMs !== null && supersededReason !== null;
  const supersession: Supersession | null = isSuperseded
    ? { id: supersededBy, atMs: supersededAtMs, reason: supersededReason, score: supersessionScore }
    : null;
  return { id, userId, ...same, supersededBy: supersession };
}

export function toMemoryFields({ supersededBy, ...memory }: Memory): MemoryFields {
  return z.encode(memoryCodec, {
    ...memory,
    supersedes: [...memory.supersedes],
    supersededBy: supersededBy?.id ?? null,
    supersededAtMs: supersededBy?.atMs ?? null,
    supersededReason: supersededBy?.reason ?? null,
    supersessionScore: supersededBy?.score ?? null,
  });
}
