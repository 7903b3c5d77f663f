import type { ImportResult } from '../maintenance/import-report.js';
import { dateInWords, wordsMatching } from '../search/lexical-text.js';
import type { Decision, FoundMemory, Memory } from '../memory.js';
import type { MemoryLimits } from '../store/memory-limits.js';
import type { MemoryUsage } from '../store/memory-store.port.js';
import type { KeptMemory } from './memory.service.js';

/** A memory as the HTTP interface and exports show it. */
export function toMemoryBody(memory: Memory) {
  const { supersededBy } = memory;
  return {
    id: memory.id,
    text: memory.text,
    user_id: memory.userId,
    session_id: memory.sessionId,
    role: memory.role,
    created_at: toTime(memory.createdAtMs),
    context: memory.context,
    perplexity: memory.perplexity,
    avg_logprob: memory.avgLogprob,
    information_nats: memory.informationNats,
    novelty: memory.novelty,
    surprise: memory.surprise,
    model: memory.model,
    source: memory.source,
    metadata: memory.metadata,
    is_question: memory.isQuestion,
    pinned: memory.isPinned,
    count: memory.count,
    last_seen_at: toTime(memory.lastSeenAtMs),
    recall_count: memory.recallCount,
    last_recalled_at: memory.lastRecalledAtMs === null ? null : toTime(memory.lastRecalledAtMs),
    valid_from: toTime(memory.validFromMs),
    superseded_by: supersededBy?.id ?? null,
    superseded_at: supersededBy ? toTime(supersededBy.atMs) : null,
    supersession_reason: supersededBy?.reason ?? null,
    supersession_score: supersededBy?.score ?? null,
    supersedes: memory.supersedes,
  };
}

/** `kept` is told where it is `false`. */
export function toKeptBody({ memory, isKept }: KeptMemory) {
  return { ...toMemoryBody(memory), ...(!isKept && { kept: false }) };
}

/** `similarity` is the cosine, as in the answers of chats. */
export function toFoundBody({ memory, cosine, bm25, matchedTerms, score }: FoundMemory) {
  const { text, createdAtMs, context } = memory;
  const indexed = [text, dateInWords(createdAtMs), context].join('\n');
  return {
    ...toMemoryBody(memory),
    similarity: cosine,
    score,
    why: { cosine, bm25, matched_words: wordsMatching(indexed, matchedTerms) },
  };
}

export function toUsageBody(usage: MemoryUsage, { maxMemories, maxBytes }: Omit<MemoryLimits, 'maxDecisions'>) {
  return {
    memories: usage.memories,
    bytes: usage.bytes,
    pinned: usage.pinned,
    pinned_bytes: usage.pinnedBytes,
    max_memories: maxMemories,
    max_bytes: maxBytes,
  };
}

export function toImportBody({ linesOmitted, ...result }: ImportResult) {
  return { ...result, lines_omitted: linesOmitted };
}

export function toDecisionBody(decision: Decision) {
  return {
    id: decision.id,
    user_id: decision.userId,
    session_id: decision.sessionId,
    decided_at: toTime(decision.decidedAtMs),
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
    duplicate_of: decision.duplicateOf,
    supersedes: decision.supersedes,
    supersession_score: decision.supersessionScore,
    reason: decision.reason,
    model: decision.model,
  };
}

const toTime = (ms: number): string => new Date(ms).toISOString();
