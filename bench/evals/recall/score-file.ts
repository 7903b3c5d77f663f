import { createHash } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import {
  completionChoiceSchema,
  type CompletionRequest,
  completionRequestSchema,
  type CompletionResponse,
  completionResponseSchema,
} from '@archive-brain/vllm-protocol';

const answerSchema = completionChoiceSchema.omit({ index: true });
type Answer = z.infer<typeof answerSchema>;
const lineSchema = z.object({ key: z.string(), answer: answerSchema });

/** What a server answered to a request: its status and its body. */
export interface Answered {
  readonly status: number;
  readonly body: Buffer;
}

type Ask = (body: Buffer) => Promise<Answered>;

/**
 * Answers of a model to scoring requests, kept in a file so that they are computed once. A line has one prompt's answer
 * under the SHA-256 of the model's name, the parameters and the prompt, which is text and context as tokens: it holds
 * for nothing else, and what is in the file is no text of a conversation but the tokens and their logprobs.
 */
export class ScoreFile {
  private readonly answers = new Map<string, Answer>();

  /** @param path is created if it does not exist */
  constructor(private readonly path: string) {
    if (!existsSync(path)) return;
    const lines = readFileSync(path, 'utf8').split('\n');
    for (const line of lines) {
      // A run that was cut off leaves half a line.
      const read = lineSchema.safeParse(jsonOrNull(line));
      if (read.success) this.answers.set(read.data.key, read.data.answer);
    }
  }

  /** The answer to a scoring request: from the file what is there, the rest by one request of `ask`. */
  async answer(body: Buffer, ask: Ask): Promise<Answered> {
    const { prompt, ...parameters } = completionRequestSchema.parse(JSON.parse(body.toString()));
    const prompts = promptsIn(prompt);
    const keys = prompts.map((one) => keyOf(one, parameters));
    const missing = prompts.filter((_, index) => !this.answers.has(keys[index] ?? ''));
    if (missing.length > 0) {
      const asked = await ask(Buffer.from(JSON.stringify({ ...parameters, prompt: missing })));
      if (asked.status !== 200) return asked;
      const { choices } = completionResponseSchema.parse(JSON.parse(asked.body.toString()));
      await this.keep(choices.map(({ index, ...answer }) => [keyOf(missing[index] ?? '', parameters), answer]));
    }
    const answers = keys.flatMap((key) => this.answers.get(key) ?? []);
    return { status: 200, body: Buffer.from(JSON.stringify(responseOf(parameters.model ?? '', answers))) };
  }

  private async keep(answers: readonly (readonly [string, Answer])[]): Promise<void> {
    for (const [key, answer] of answers) this.answers.set(key, answer);
    const lines = answers.map(([key, answer]) => `${JSON.stringify({ key, answer })}\n`);
    await appendFile(this.path, lines.join(''));
  }
}

type OnePrompt = string | readonly number[];

/** A flat list of integers is one prompt. */
function promptsIn(prompt: CompletionRequest['prompt']): OnePrompt[] {
  if (typeof prompt === 'string') return [prompt];
  return prompt.every((part) => typeof part === 'number') ? [prompt] : prompt;
}

const keyOf = (prompt: OnePrompt, parameters: Omit<CompletionRequest, 'prompt'>): string =>
  createHash('sha256')
    .update(JSON.stringify([Object.entries(parameters).sort(), prompt]))
    .digest('hex');

function responseOf(model: string, answers: readonly Answer[]): CompletionResponse {
  const tokens = answers.reduce((sum, { logprobs }) => sum + (logprobs?.tokens.length ?? 0), 0);
  return {
    id: 'cmpl-kept',
    object: 'text_completion',
    created: 0,
    model,
    choices: answers.map((answer, index) => ({ ...answer, index })),
    usage: { prompt_tokens: tokens - answers.length, completion_tokens: answers.length, total_tokens: tokens },
  };
}

function jsonOrNull(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
