import type { Prompt } from '@archive-brain/vllm-protocol';
import type { LanguageModel } from '../engine/language-model.js';
import { type Truncation, truncateText, truncateTokens } from '../engine/embedding/truncation.js';
import { InvalidParameterError, InvalidRequestError } from '../errors.js';

export interface TokenizedPrompt {
  readonly tokens: readonly number[];
  /** What `echo` repeats: the whole prompt, also where only a part of it is read. */
  readonly text: string;
}

/** The four forms of `prompt` as a list of single prompts. */
export function listPrompts(prompt: Prompt): readonly (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return isTokenList(prompt) ? [prompt] : prompt;
}

function isTokenList(prompt: Exclude<Prompt, string>): prompt is number[] {
  return typeof prompt[0] === 'number';
}

export interface TokenizeOptions {
  readonly withSpecialTokens: boolean;
  readonly truncation: Truncation | undefined;
}

/** @throws InvalidRequestError for an empty prompt, an id beyond the vocabulary, or more than the window holds */
export function tokenizePrompt(
  model: LanguageModel,
  prompt: string | readonly number[],
  { withSpecialTokens, truncation }: TokenizeOptions,
): TokenizedPrompt {
  if (typeof prompt === 'string') {
    const text = prompt.toWellFormed();
    const tokens = model.tokenize(readableText(model, text, truncation), withSpecialTokens);
    return { tokens: readableTokens(model, tokens, truncation), text };
  }
  assertInVocabulary(prompt, model.vocabularySize);
  return { tokens: readableTokens(model, prompt, truncation), text: model.detokenize(prompt, []) };
}

/**
 * Refuses a text that cannot fit before it is tokenized: a megabyte takes about a second, which blocks everything else.
 * @throws InvalidParameterError for a text of more characters than the window's tokens can have
 */
export function readableText(model: LanguageModel, text: string, truncation: Truncation | undefined): string {
  const most = model.windowTokens * model.longestTokenLength;
  if (truncation) return truncateText(text, most, truncation.side);
  assertLength(text, most, model.windowTokens);
  return text;
}

/** @throws InvalidParameterError for more than `most` characters, the most that `windowTokens` can have */
export function assertLength({ length }: string, most: number, windowTokens: number): void {
  if (length <= most) return;
  throw new InvalidParameterError(
    `This model's maximum context length is ${windowTokens} tokens. ` +
      `However, your prompt contains ${length} characters ` +
      `(more than ${most} characters, which is the upper bound for ${windowTokens} input tokens). ` +
      'Please reduce the length of the input prompt.',
    'input_text',
    length,
  );
}

/** @throws InvalidRequestError for no tokens at all, or more than the window holds */
export function readableTokens(
  model: Pick<LanguageModel, 'windowTokens'>,
  all: readonly number[],
  truncation: Truncation | undefined,
): readonly number[] {
  const tokens = truncation ? truncateTokens(all, truncation) : all;
  if (tokens.length === 0) throw new InvalidRequestError('The decoder prompt cannot be empty');
  if (tokens.length <= model.windowTokens) return tokens;
  throw new InvalidParameterError(
    `This model's maximum context length is ${model.windowTokens} tokens. ` +
      `However, your prompt contains ${tokens.length} input tokens, ` +
      ' which exceeds this limit even without any output tokens. Please reduce the length of the input prompt.',
    'input_tokens',
    tokens.length,
  );
}

/** @throws InvalidParameterError for more output than any prompt leaves room for: a wrong setting, whatever the text */
export function assertMaxTokens(
  { windowTokens }: LanguageModel,
  wanted: number | null | undefined,
  field: string,
): void {
  if (wanted == null || wanted <= windowTokens) return;
  throw new InvalidParameterError(
    `${field}=${wanted} cannot be greater than max_model_len=${windowTokens}. Please request fewer output tokens.`,
    field,
    wanted,
  );
}

/**
 * Tokens to generate: as many as wanted, or as the prompt leaves of the window. A nearly full window is answered with
 * next to nothing, as vLLM 0.32 does.
 * @throws InvalidParameterError for a prompt that leaves nothing
 */
export function tokensToGenerate({ windowTokens }: LanguageModel, promptTokens: number, wanted = Infinity): number {
  const room = windowTokens - promptTokens;
  if (room > 0) return Math.min(wanted, room);
  throw new InvalidParameterError('max_tokens must be at least 1, got 0.', 'max_tokens', 0);
}

export function assertInVocabulary(tokens: readonly number[], vocabularySize: number): void {
  const outside = tokens.find((token) => token >= vocabularySize);
  if (outside !== undefined) throw new InvalidRequestError(`Token id ${outside} is out of vocabulary.`, 'prompt');
}
