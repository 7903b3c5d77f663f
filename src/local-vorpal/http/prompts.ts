import type { Prompt } from '../../vllm-protocol/index.js';
import type { LanguageModel } from '../engine/language-model.js';
import { InvalidRequestError } from '../errors.js';

export interface TokenizedPrompt {
  readonly tokens: readonly number[];
  /** What `echo` repeats. */
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

/** @throws InvalidRequestError for an empty prompt, an id beyond the vocabulary, or more than fits */
export function tokenizePrompt(
  model: LanguageModel,
  prompt: string | readonly number[],
  { withSpecialTokens, maxTokens }: { readonly withSpecialTokens: boolean; readonly maxTokens: number },
): TokenizedPrompt {
  if (typeof prompt === 'string') return tokenizeText(model, prompt.toWellFormed(), withSpecialTokens, maxTokens);
  assertInVocabulary(prompt, model.vocabularySize);
  assertFits(model, prompt.length, maxTokens);
  return { tokens: prompt, text: model.detokenize(prompt, []) };
}

function tokenizeText(
  model: LanguageModel,
  text: string,
  withSpecialTokens: boolean,
  maxTokens: number,
): TokenizedPrompt {
  if (text === '') {
    throw new InvalidRequestError('Either prompt or prompt_embeds must be provided and non-empty.', 'prompt');
  }
  assertMayFit(model, text, maxTokens);
  const tokens = model.tokenize(text, withSpecialTokens);
  assertFits(model, tokens.length, maxTokens);
  return { tokens, text };
}

/** Spares the tokenizer texts that cannot fit: a megabyte takes it about a second, in which nothing else is answered. */
export function assertMayFit(model: LanguageModel, text: string, maxTokens: number): void {
  const leastTokens = Math.ceil(text.length / model.longestTokenLength);
  if (leastTokens + maxTokens > model.windowTokens) throw tooLong(model, `at least ${leastTokens}`, maxTokens);
}

export function assertFits(model: LanguageModel, promptTokens: number, maxTokens: number): void {
  if (promptTokens === 0) throw new InvalidRequestError('The decoder prompt cannot be empty.', 'prompt');
  if (promptTokens + maxTokens > model.windowTokens) throw tooLong(model, String(promptTokens), maxTokens);
}

function tooLong({ windowTokens }: LanguageModel, promptTokens: string, maxTokens: number): InvalidRequestError {
  return new InvalidRequestError(
    `This model's maximum context length is ${windowTokens} tokens. However, you requested ${maxTokens} output tokens ` +
      `and your prompt contains ${promptTokens} input tokens. Please reduce the length of the input prompt or the ` +
      'number of requested output tokens.',
    'input_tokens',
  );
}

export function assertInVocabulary(tokens: readonly number[], vocabularySize: number): void {
  const outside = tokens.find((token) => token >= vocabularySize);
  if (outside !== undefined) throw new InvalidRequestError(`Token id ${outside} is out of vocabulary.`, 'prompt');
}
