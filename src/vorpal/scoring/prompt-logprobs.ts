import type { CompletionChoice, CompletionResponse } from '@archive-brain/vllm-protocol';
import { VorpalProtocolError, VorpalScoringUnsupportedError } from '../vorpal.errors.js';

/** A text, or the ids of one. Ids are used as they are: the server adds no special tokens to them. */
export type ScoringPrompt = string | readonly number[];

// vLLM refuses more.
export const MAX_PROMPTS_PER_REQUEST = 1_024;

/** At least as many tokens as it has: byte-level tokenizers make at most one of a byte. */
export const mostTokensIn = (prompt: ScoringPrompt): number =>
  typeof prompt === 'string' ? Buffer.byteLength(prompt) : prompt.length;

/** Two parallel arrays over a prompt's own tokens, special ones included; the first token has no logprob. */
export interface PromptLogprobs {
  readonly tokens: readonly string[];
  readonly logprobs: readonly (number | null)[];
}

/**
 * What the request asks to be generated after each prompt; its entry ends every array and is not part of the prompt.
 */
export const GENERATED_TOKENS = 1;

/**
 * One {@link PromptLogprobs} per prompt, in the order of `prompts`.
 *
 * The lengths are checked because several servers answer `echo` with generated tokens only, and everything would then
 * score alike.
 * @throws VorpalScoringUnsupportedError if the prompt's logprobs are missing; VorpalProtocolError if they are garbled
 */
export function readPromptLogprobs(
  { choices, usage }: CompletionResponse,
  prompts: readonly ScoringPrompt[],
): PromptLogprobs[] {
  const sorted = choices.toSorted((a, b) => a.index - b.index);
  if (sorted.length !== prompts.length || sorted.some(({ index }, position) => index !== position)) {
    throw garbled(`${prompts.length} prompts were answered with ${choices.length} choices`);
  }
  const results = sorted.map((choice, position) => readChoice(choice, prompts[position]));
  const total = results.reduce((sum, { tokens }) => sum + tokens.length, 0);
  if (usage && usage.prompt_tokens !== total) {
    throw garbled(`there are logprobs of ${total} prompt tokens where usage counts ${usage.prompt_tokens}`);
  }
  return results;
}

function readChoice({ logprobs }: CompletionChoice, prompt: ScoringPrompt | undefined): PromptLogprobs {
  if (!logprobs || logprobs.token_logprobs.length <= GENERATED_TOKENS) {
    throw new VorpalScoringUnsupportedError(
      'Vorpal returns no log-probabilities of the prompt (echo with logprobs on /v1/completions); ' +
        'VORPAL_URL must name a vLLM or the local Vorpal.',
    );
  }
  const { tokens, token_logprobs: all } = logprobs;
  if (tokens.length !== all.length) throw garbled(`${tokens.length} tokens have ${all.length} logprobs`);
  if (typeof prompt === 'object' && all.length !== prompt.length + GENERATED_TOKENS) {
    throw garbled(`a prompt of ${prompt.length} tokens has ${all.length - GENERATED_TOKENS} logprobs`);
  }
  const own = all.slice(0, -GENERATED_TOKENS);
  if (own[0] !== null) throw garbled('the first token has a logprob, though nothing precedes it');
  const gap = own.findIndex((logprob, index) => index > 0 && !Number.isFinite(logprob));
  if (gap !== -1) throw garbled(`token ${gap} has no logprob`);
  return { tokens: tokens.slice(0, -GENERATED_TOKENS), logprobs: own };
}

const garbled = (what: string): VorpalProtocolError =>
  new VorpalProtocolError(
    `The logprobs of Vorpal cannot be right: ${what}. Check that VORPAL_URL names a vLLM-compatible server.`,
  );
