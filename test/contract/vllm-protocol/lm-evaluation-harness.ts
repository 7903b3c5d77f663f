import assert from 'node:assert/strict';

export interface LoglikelihoodRequest {
  readonly context: readonly number[];
  readonly continuation: readonly number[];
}

export interface LoglikelihoodResult {
  readonly logprob: number;
  readonly isGreedy: boolean;
}

export interface Endpoint {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly model: string;
}

interface Answer {
  choices: {
    index: number;
    logprobs: { token_logprobs: number[]; top_logprobs: Record<string, number>[] };
  }[];
}

/**
 * What lm-evaluation-harness sends to a `local-completions` server, and how it reads the answer: it drops the last
 * entry as the generated token, sums without looking for `null`, and calls a continuation greedy if every token is
 * the largest of its alternatives, compared as floats.
 */
export async function evaluateLoglikelihood(
  endpoint: Endpoint & { readonly requests: readonly LoglikelihoodRequest[] },
): Promise<LoglikelihoodResult[]> {
  const { url, headers, model, requests } = endpoint;
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body: JSON.stringify({
      model,
      prompt: requests.map(({ context, continuation }) => [...context, ...continuation]),
      temperature: 0,
      max_tokens: 1,
      logprobs: 1,
      seed: 1234,
      echo: true,
    }),
  });
  assert.equal(response.status, 200);
  const { choices } = (await response.json()) as Answer;
  return choices
    .toSorted((a, b) => a.index - b.index)
    .map(({ logprobs }, index) => {
      const contextLength = requests[index]?.context.length ?? 0;
      assert(contextLength > 0);
      const tokenLogprobs = logprobs.token_logprobs.slice(contextLength, -1);
      const top = logprobs.top_logprobs.slice(contextLength, -1);
      return {
        logprob: tokenLogprobs.reduce((sum, value) => sum + value, 0),
        isGreedy: tokenLogprobs.every((value, at) => value === Math.max(...Object.values(top[at] ?? {}))),
      };
    });
}
