import { z } from 'zod';
import { camelCaseCodec } from '../../shared/index.js';
import type { Decision } from '../memory.js';

/**
 * The fields of a decision under snake-case names, as both stores keep them and as the HTTP interface shows them except
 * for its time. User and id are part of where a decision is kept.
 */
const decisionFields = z.object({
  session_id: z.string().nullable(),
  decided_at_ms: z.number(),
  model: z.string().nullable(),
  perplexity: z.number().nullable(),
  information_nats: z.number().nullable(),
  contextual: z.boolean(),
  plain_perplexity: z.number().nullable(),
  novelty: z.number(),
  nearest_id: z.string().nullable(),
  surprise: z.number(),
  threshold: z.number(),
  mode: z.enum(['all', 'fixed', 'adaptive']),
  kept: z.boolean(),
  duplicate_of: z.string().nullable(),
  supersedes: z.string().nullable(),
  supersession_score: z.number().nullable(),
  reason: z.string(),
});

export type DecisionFields = z.output<typeof decisionFields>;

export const decisionCodec = camelCaseCodec(decisionFields);

export const toDecisionFields = (decision: Decision): DecisionFields => z.encode(decisionCodec, decision);
