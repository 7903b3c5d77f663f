import type { CompletionLogprobs } from '@archive-brain/vllm-protocol';
import type { TokenPosition } from '../engine/choice-assembler.js';

/** The parallel arrays of `/v1/completions`. */
export function completionLogprobs(positions: readonly TokenPosition[] | null): CompletionLogprobs | null {
  if (positions === null) return null;
  return {
    text_offset: positions.map(({ offset }) => offset),
    token_logprobs: positions.map(({ logprob }) => logprob),
    tokens: positions.map(({ text }) => text),
    // Keyed by text, so of two tokens with the same text the later, less likely one wins: as vLLM answers.
    top_logprobs: positions.map(({ logprob, top }) =>
      logprob === null ? null : Object.fromEntries(top.map((entry) => [entry.text, entry.logprob])),
    ),
  };
}

/** OpenAI's form for chats: with the tokens' UTF-8 bytes. */
export function chatLogprobs(positions: readonly TokenPosition[] | null, alternatives: number) {
  if (positions === null) return null;
  return {
    content: positions.flatMap(({ text, logprob, top }) => {
      if (logprob === null) return [];
      const mostLikely = top.toSorted((a, b) => b.logprob - a.logprob).slice(0, alternatives);
      return [{ ...chatToken(text, logprob), top_logprobs: mostLikely.map((it) => chatToken(it.text, it.logprob)) }];
    }),
  };
}

function chatToken(token: string, logprob: number) {
  return { token, logprob, bytes: [...Buffer.from(token)] };
}
