/** How the next token is chosen. */
export interface Sampling {
  /** Below {@link GREEDY_BELOW_TEMPERATURE} the most likely token is taken. */
  readonly temperature: number;
  readonly topP: number;
  /** 0: no limit. */
  readonly topK: number;
  readonly minP: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** An unsigned 32-bit number; equal seeds give equal texts on an idle server. */
  readonly seed: number;
}

/** vLLM's limit: dividing logits by less than this overflows. */
const GREEDY_BELOW_TEMPERATURE = 1e-5;

export function isGreedy({ temperature }: Pick<Sampling, 'temperature'>): boolean {
  return temperature < GREEDY_BELOW_TEMPERATURE;
}

/** Whether the token is chosen by the model's own logits alone. */
export function choosesByRawLogits(sampling: Sampling): boolean {
  return isGreedy(sampling) && sampling.frequencyPenalty === 0 && sampling.presencePenalty === 0;
}

/**
 * The seed of one generated token. The engine starts its random generator anew for each token, so with one seed for all
 * of them every choice would fall on the same part of the distribution.
 */
export function seedOfStep(seed: number, step: number): number {
  return mix(mix(seed >>> 0) ^ step);
}

/** Any integer to an unsigned 32-bit seed; different choices of one request get different ones. */
export function seedOfChoice(seed: number, choice: number): number {
  return choice === 0 ? fold(seed) : mix(fold(seed) + choice);
}

function fold(seed: number): number {
  const high = Math.floor(seed / 2 ** 32);
  return (high === 0 ? seed : seed ^ high) >>> 0;
}

/** The finalizer of MurmurHash3: every input bit changes about half of the output bits. */
function mix(value: number): number {
  let hash = value >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
