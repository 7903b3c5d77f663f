import type { RecalledMemory } from '../../memory/index.js';
import type { Turn } from '../../sessions/index.js';
import { estimateTokens } from '../../shared/index.js';
import type { ChatMessage } from '@archive-brain/vllm-protocol';
import type { LocalTime } from './local-time.js';
import { memoryBlock } from './memory-block.js';

export interface PromptMessage extends ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** What the model is asked, and how long it may answer. */
export interface ChatPrompt {
  readonly messages: readonly PromptMessage[];
  /** Those that found room, best first. */
  readonly memories: readonly RecalledMemory[];
  /** Most tokens of the answer; not set: what the window leaves, which only the server knows. */
  readonly maxTokens?: number;
}

/** What a prompt may be made of. */
export interface PromptParts {
  readonly systemPrompt: string;
  /** Of whoever asks. */
  readonly time: LocalTime;
  /** Best first. */
  readonly memories: readonly RecalledMemory[];
  /** Oldest first. */
  readonly turns: readonly Turn[];
  readonly message: string;
}

export interface PromptBudget {
  /** Prompt plus answer that fit. */
  readonly windowTokens: number;
  /** Most tokens of the answer. */
  readonly answerTokens: number;
  /** Tokens of the prompt that is the message alone, where they were counted; else they are estimated. */
  readonly aloneTokens?: number;
}

type CountTokens = (text: string) => number;

// An upper estimate of what a chat template puts around each message.
const MESSAGE_FRAME_TOKENS = 8;
// The share of the room besides message and answer that memories may take when there are turns.
const MEMORIES_SHARE = 0.5;
// The largest share of the window for an answer, however much CHAT_MAX_TOKENS allows.
const ANSWER_SHARE = 0.5;

/** An upper bound: tokenizers of language models make at most one token of each byte. */
export const mostTokens: CountTokens = (text) => Buffer.byteLength(text);

/**
 * The system message with the time, the newest turns, and the message with the memories before it. Small models use
 * best what stands near the question, and there the words of a user have no more authority than the user.
 *
 * Message and answer get their room first. Of the rest, memories get up to a half if there are turns, and the turns get
 * what is left. Control markers in the words of a turn are sent as content; what a tokenizer makes of them is up to the
 * server.
 */
export function buildPrompt(
  parts: PromptParts,
  budget: PromptBudget,
  countTokens: CountTokens = estimateTokens,
): ChatPrompt {
  const alone = aloneTokens(parts, budget, countTokens);
  const room = Math.max(0, budget.windowTokens - reservedTokens(budget) - alone);
  const maxTokens = parts.turns.length === 0 ? room : room * MEMORIES_SHARE;
  const block = memoryBlock(parts.memories, parts.time, { maxTokens, countTokens });
  const said = newestWithin(room - block.tokens, parts.turns, countTokens);
  const [system, message] = messageAlone(parts);
  return {
    messages: [system, ...said.messages, { ...message, content: [...block.lines, message.content].join('\n') }],
    memories: block.memories,
    maxTokens: Math.max(1, Math.min(budget.answerTokens, budget.windowTokens - alone - block.tokens - said.tokens)),
  };
}

/** The smallest prompt there is: what day it is bears on nearly every question about what was said. */
export function messageAlone({ systemPrompt, time, message }: PromptParts): [PromptMessage, PromptMessage] {
  return [
    { role: 'system', content: `${systemPrompt}\n\nNow it is ${time.now()}.` },
    { role: 'user', content: message },
  ];
}

/** Whether the message and an answer fit by themselves, as far as an estimate knows. */
export function shouldFit(parts: PromptParts, budget: PromptBudget): boolean {
  return aloneTokens(parts, budget, estimateTokens) + reservedTokens(budget) <= budget.windowTokens;
}

/** What the answer has for sure, as long as the message itself leaves it. */
export const reservedTokens = ({ windowTokens, answerTokens }: PromptBudget): number =>
  Math.min(answerTokens, Math.floor(windowTokens * ANSWER_SHARE));

function aloneTokens(parts: PromptParts, budget: PromptBudget, countTokens: CountTokens): number {
  if (budget.aloneTokens !== undefined) return budget.aloneTokens;
  return messageAlone(parts).reduce((sum, message) => sum + tokensOf(message, countTokens), 0);
}

/** Turns without gaps up to the newest. An answer is not left without what it answers. */
function newestWithin(maxTokens: number, turns: readonly Turn[], countTokens: CountTokens) {
  const kept: { readonly message: PromptMessage; readonly tokens: number }[] = [];
  let room = maxTokens;
  for (const { role, text } of turns.toReversed()) {
    const message = { role, content: text };
    const tokens = tokensOf(message, countTokens);
    room -= tokens;
    if (room < 0) break;
    kept.unshift({ message, tokens });
  }
  const start = kept.findIndex(({ message }) => message.role === 'user');
  const said = start === -1 ? [] : kept.slice(start);
  return {
    messages: said.map(({ message }) => message),
    tokens: said.reduce((sum, { tokens }) => sum + tokens, 0),
  };
}

const tokensOf = ({ content }: PromptMessage, countTokens: CountTokens): number =>
  MESSAGE_FRAME_TOKENS + countTokens(content);
