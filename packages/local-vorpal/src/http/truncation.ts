import type { TruncationFields } from '@archive-brain/vllm-protocol';
import type { Truncation } from '../engine/embedding/truncation.js';
import { InvalidParameterError } from '../errors.js';

export interface TruncationLimits {
  /** The model's window, the most that `truncate_prompt_tokens` may be. */
  readonly windowTokens: number;
  /** What `-1` stands for. */
  readonly mostTokens: number;
  readonly defaultSide: Truncation['side'];
}

/** @throws InvalidParameterError for more than the window holds */
export function readTruncation(fields: TruncationFields, limits: TruncationLimits): Truncation | undefined {
  const { truncate_prompt_tokens: wanted, truncation_side: side } = fields;
  if (wanted == null) return undefined;
  if (wanted > limits.windowTokens) {
    throw new InvalidParameterError(
      `truncate_prompt_tokens=${wanted} cannot be greater than max_model_len = ${limits.windowTokens}. ` +
        'Please request a smaller truncation size.',
      'truncate_prompt_tokens',
      wanted,
    );
  }
  return { keep: wanted === -1 ? limits.mostTokens : wanted, side: side ?? limits.defaultSide };
}
