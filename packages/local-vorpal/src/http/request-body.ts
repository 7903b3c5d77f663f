import { z } from 'zod';
import type { ChatMessage } from '@archive-brain/vllm-protocol';
import type { ChatTurn } from '../engine/language-model.js';
import { InvalidRequestError } from '../errors.js';

/** @throws InvalidRequestError that names every field that is wrong */
export function parseBody<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const result = schema.safeParse(body ?? {});
  if (result.success) return result.data;
  const first = result.error.issues[0]?.path[0];
  throw new InvalidRequestError(describeIssues(result.error.issues), first === undefined ? null : String(first));
}

function describeIssues(issues: readonly z.core.$ZodIssue[]): string {
  const lines = issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`));
  return lines.slice(0, MAX_ISSUES).join('; ');
}

/** A list of 100,000 wrong ids would otherwise be answered with as many sentences. */
const MAX_ISSUES = 5;

/** Values by which a client says "do not do this", although the field is named. */
function isNeutral(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === false || value === 0 || value === '';
}

/** Fields whose harmless values are others. */
const HARMLESS: Readonly<Record<string, (value: unknown) => boolean>> = {
  best_of: (value) => value === 1,
  repetition_penalty: (value) => value === 1,
  response_format: (value) => typeof value === 'object' && value !== null && 'type' in value && value.type === 'text',
  skip_special_tokens: (value) => value === true,
  spaces_between_special_tokens: (value) => value === true,
  tool_choice: (value) => value === 'none' || value === 'auto',
};

/** Fields of OpenAI and vLLM that change the answer and are not implemented. Unknown fields are ignored, as in vLLM. */
const UNSUPPORTED = [
  ...['allowed_token_ids', 'bad_words', 'best_of', 'continue_final_message', 'functions', 'guided_choice'],
  ...['guided_grammar', 'guided_json', 'guided_regex', 'logit_bias', 'logits_processors', 'min_tokens'],
  ...['prompt_embeds', 'prompt_logprobs', 'repetition_penalty', 'response_format', 'return_token_ids'],
  ...['return_tokens_as_token_ids', 'skip_special_tokens', 'spaces_between_special_tokens', 'stop_token_ids'],
  ...['structured_outputs', 'suffix', 'tool_choice', 'tools', 'use_beam_search'],
];

/** @throws InvalidRequestError where the request asks for something that would be ignored */
export function rejectUnsupported(body: Readonly<Record<string, unknown>>): void {
  for (const field of UNSUPPORTED) {
    const value = body[field];
    if (value === undefined || value === null || (HARMLESS[field] ?? isNeutral)(value)) continue;
    throw new InvalidRequestError(`${field} is not currently supported. Leave it out.`, field);
  }
}

/** @throws InvalidRequestError for a role or a content that no chat template can render */
export function readTurns(messages: readonly ChatMessage[]): ChatTurn[] {
  return messages.map(({ role, content }, index) => ({ role: readRole(role, index), text: readContent(content) }));
}

function readRole(role: string, index: number): ChatTurn['role'] {
  if (role === 'developer') return 'system';
  if (role === 'system' || role === 'user' || role === 'assistant') return role;
  throw new InvalidRequestError(`messages.${index}.role: must be system, user or assistant, not ${role}.`, 'messages');
}

function readContent(content: ChatMessage['content']): string {
  if (Array.isArray(content)) return content.map(({ text }) => text.toWellFormed()).join('\n');
  return (content ?? '').toWellFormed();
}
