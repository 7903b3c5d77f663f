import { randomInt } from 'node:crypto';
import type { CompletionRequest } from '@archive-brain/vllm-protocol';
import { isGreedy, type Sampling, seedOfChoice } from '../engine/sampling.js';
import { InvalidParameterError, InvalidRequestError } from '../errors.js';

type SamplingFields = Pick<
  CompletionRequest,
  | 'temperature'
  | 'top_p'
  | 'top_k'
  | 'min_p'
  | 'seed'
  | 'stop'
  | 'frequency_penalty'
  | 'presence_penalty'
  | 'n'
  | 'stream'
  | 'stream_options'
>;

/** Every choice occupies a place in the queue; without the bound one request could fill it. */
const MAX_CHOICES = 16;
/** Every stop string is looked for after every token. */
const MAX_STOPS = 32;
/** vLLM's `--max-logprobs`. */
const MAX_LOGPROBS = 20;

/** vLLM's defaults. One {@link Sampling} for each of the `n` choices: they differ in their seeds. */
export function readSamplings(fields: SamplingFields): Sampling[] {
  const { temperature, top_k: topK, seed } = fields;
  const requestSeed = seed ?? randomInt(2 ** 32);
  const common = {
    temperature: temperature ?? 1,
    topP: fields.top_p ?? 1,
    topK: topK == null || topK < 0 ? 0 : topK,
    minP: fields.min_p ?? 0,
    frequencyPenalty: fields.frequency_penalty ?? 0,
    presencePenalty: fields.presence_penalty ?? 0,
  };
  const count = fields.n ?? 1;
  if (count > MAX_CHOICES) throw new InvalidRequestError(`n must be at most ${MAX_CHOICES}, got ${count}.`, 'n');
  if (count > 1 && isGreedy(common)) {
    throw new InvalidRequestError(`n must be 1 when using greedy sampling, got ${count}.`, 'n');
  }
  return Array.from({ length: count }, (_, choice) => ({ ...common, seed: seedOfChoice(requestSeed, choice) }));
}

export function readStops({ stop }: SamplingFields): readonly string[] {
  const stops = typeof stop === 'string' ? [stop] : (stop ?? []);
  if (stops.includes('')) throw new InvalidRequestError('stop cannot contain an empty string.', 'stop');
  if (stops.length > MAX_STOPS) throw new InvalidRequestError(`stop must list at most ${MAX_STOPS} strings.`, 'stop');
  return stops;
}

/** @throws InvalidRequestError for more alternatives than are given */
export function readLogprobs(count: number | null | undefined, field: string): number | null {
  if (count != null && count > MAX_LOGPROBS) {
    throw new InvalidParameterError(
      `Requested sample logprobs of ${count}, which is greater than max allowed: ${MAX_LOGPROBS}`,
      field,
      count,
    );
  }
  return count ?? null;
}

/** @throws InvalidRequestError for stream options without a stream */
export function wantsUsageChunk({ stream, stream_options: options }: SamplingFields): boolean {
  if (options != null && stream !== true) {
    throw new InvalidParameterError('Stream options can only be defined when `stream=True`.', 'stream_options');
  }
  return options?.include_usage === true;
}
