import type { ImportResult } from '../maintenance/import-report.js';
import { dateInWords, wordsMatching } from '../search/lexical-text.js';
import type { Decision, FoundMemory, Memory } from '../memory.js';
import { toDecisionFields } from '../store/decision-codec.js';
import { toMemoryFields } from '../store/memory-codec.js';
import type { MemoryLimits } from '../store/memory-limits.js';
import type { MemoryUsage } from '../store/memory-store.port.js';
import type { KeptMemory } from './memory.service.js';

/** A memory as the HTTP interface and exports show it: with times as ISO 8601 in place of milliseconds. */
export function toMemoryBody(memory: Memory) {
  const {
    created_at_ms: createdAtMs,
    last_seen_at_ms: lastSeenAtMs,
    last_recalled_at_ms: lastRecalledAtMs,
    valid_from_ms: validFromMs,
    superseded_at_ms: supersededAtMs,
    superseded_reason: supersessionReason,
    is_pinned: pinned,
    ...fields
  } = toMemoryFields(memory);
  return {
    id: memory.id,
    user_id: memory.userId,
    ...fields,
    pinned,
    created_at: toTime(createdAtMs),
    last_seen_at: toTime(lastSeenAtMs),
    last_recalled_at: lastRecalledAtMs === null ? null : toTime(lastRecalledAtMs),
    valid_from: toTime(validFromMs),
    superseded_at: supersededAtMs === null ? null : toTime(supersededAtMs),
    supersession_reason: supersessionReason,
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
  const { decided_at_ms: decidedAtMs, ...fields } = toDecisionFields(decision);
  return { id: decision.id, user_id: decision.userId, decided_at: toTime(decidedAtMs), ...fields };
}

const toTime = (ms: number): string => new Date(ms).toISOString();
