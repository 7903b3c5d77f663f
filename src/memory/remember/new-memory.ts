import { newId } from '../../shared/index.js';
import type { Memory } from '../memory.js';
import { isPureQuestion } from './questions.js';

/** A memory that a user adds, whatever its surprise. */
export interface MemoryDraft {
  readonly text: string;
  readonly sessionId?: string | null;
  readonly role?: Memory['role'];
  readonly createdAtMs?: number;
  readonly metadata?: Memory['metadata'];
  /** What was said before it; of any length, only the tail is kept. */
  readonly context?: string;
  readonly isPinned?: boolean;
}

/** A memory without a judgement. */
export function newMemory(userId: string, draft: MemoryDraft & { readonly id?: string }): Memory {
  const createdAtMs = draft.createdAtMs ?? Date.now();
  return {
    id: draft.id ?? newId(),
    text: draft.text,
    userId,
    sessionId: draft.sessionId ?? null,
    role: draft.role ?? 'user',
    createdAtMs,
    perplexity: null,
    avgLogprob: null,
    informationNats: null,
    novelty: null,
    surprise: null,
    model: null,
    source: 'manual',
    metadata: draft.metadata ?? {},
    context: draft.context ?? '',
    isQuestion: isPureQuestion(draft.text),
    isPinned: draft.isPinned ?? false,
    count: 1,
    lastSeenAtMs: createdAtMs,
    recallCount: 0,
    lastRecalledAtMs: null,
    validFromMs: createdAtMs,
    supersededBy: null,
    supersedes: [],
  };
}
