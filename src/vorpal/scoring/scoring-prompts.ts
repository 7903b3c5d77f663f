import { MAX_PROMPTS_PER_REQUEST, type PromptLogprobs, type ScoringPrompt } from './prompt-logprobs.js';
import type { SlidingWindow } from './sliding-windows.js';
import type { SpecialTokens } from './special-tokens.js';

/** One prompt to be scored, and which of its tokens are the text's own. */
export interface PlannedPrompt {
  /** Index of the text it belongs to. */
  readonly text: number;
  readonly prompt: ScoringPrompt;
  /** At least as many tokens as it has. */
  readonly maxTokens: number;
  /** Entries to leave out at the start (BOS, separator, context, overlap) and at the end (EOS). */
  readonly skip: number;
  readonly drop: number;
}

/**
 * The text sent as a string. Byte-level tokenizers make at most one token of a byte, and sentencepiece ones put one
 * space before the text, so the bound holds without asking the server to count.
 */
export function planString(
  text: number,
  content: string,
  { prefix, stringPrefix = '', suffix }: SpecialTokens,
): PlannedPrompt {
  const maxTokens = Buffer.byteLength(content.toWellFormed()) + 1 + prefix.length + suffix.length;
  return { text, prompt: stringPrefix + content, maxTokens, skip: prefix.length, drop: suffix.length };
}

export function planWindow(text: number, { ids, firstCounted }: SlidingWindow): PlannedPrompt {
  return { text, prompt: ids, maxTokens: ids.length, skip: firstCounted, drop: 0 };
}

/** The entries of a scored prompt that are the text's own. */
export function ownEntries({ skip, drop }: PlannedPrompt, { tokens, logprobs }: PromptLogprobs): PromptLogprobs {
  const end = tokens.length - drop;
  return { tokens: tokens.slice(skip, end), logprobs: logprobs.slice(skip, end) };
}

/**
 * How few requests hold all the prompts in their order, none with more than `maxTokens` unless a single prompt has.
 * What is sent follows the load of the moment; this does not, so that nothing of a score depends on it.
 */
export function fewestRequests(prompts: readonly PlannedPrompt[], maxTokens: number): number {
  let requests = 0;
  let [held, room] = [0, 0];
  for (const { maxTokens: size } of prompts) {
    if (requests === 0 || size > room || held === MAX_PROMPTS_PER_REQUEST) {
      requests += 1;
      [held, room] = [0, maxTokens];
    }
    held += 1;
    room -= size;
  }
  return requests;
}
