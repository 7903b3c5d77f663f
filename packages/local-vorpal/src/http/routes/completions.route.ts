import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  type CompletionChoice,
  type CompletionRequest,
  completionRequestSchema,
  type CompletionResponse,
  type Usage,
} from '@archive-brain/vllm-protocol';
import type { ChoiceDelta } from '../../engine/choice-assembler.js';
import type { LanguageModel } from '../../engine/language-model.js';
import { InvalidParameterError, InvalidRequestError } from '../../errors.js';
import { completionLogprobs } from '../logprobs-body.js';
import { assertMaxTokens, listPrompts, type TokenizedPrompt, tokenizePrompt, tokensToGenerate } from '../prompts.js';
import { parseBody, rejectUnsupported } from '../request-body.js';
import { type ChoicePlan, collectDeltas, type DeltaListener, runChoices, usageOf } from '../run-choices.js';
import { readLogprobs, readSamplings, readStops, wantsUsageChunk } from '../sampling-fields.js';
import { nowInSeconds, type ServerContext } from '../server-context.js';
import { SseReply } from '../sse-reply.js';
import { readTruncation } from '../truncation.js';

/** vLLM's default. */
const DEFAULT_MAX_TOKENS = 16;
/** vLLM's bound on the prompts of one request. */
const MAX_PROMPTS = 1_024;

interface CompletionPlan {
  readonly choices: readonly ChoicePlan[];
  readonly promptTokens: number;
}

/** `POST /v1/completions`: text after a prompt, and the logprobs of the prompt itself. */
export function registerCompletions(app: FastifyInstance, context: ServerContext): void {
  app.post('/v1/completions', async (request, reply) => {
    const startedAt = performance.now();
    const body = parseBody(completionRequestSchema, request.body);
    const model = context.models.languageFor(body.model, 'Completions API');
    const { choices, promptTokens } = planCompletion(body, model);
    const withUsageChunk = wantsUsageChunk(body);
    const signal = context.endOf(reply);
    const head = headOf(context, request, model);

    const run = async (onDelta: DeltaListener): Promise<Usage> => {
      const { completionTokens } = await runChoices(model, choices, signal, onDelta);
      const seconds = (performance.now() - startedAt) / 1000;
      context.metrics.observe(model.id, { promptTokens, completionTokens, seconds });
      return usageOf(promptTokens, completionTokens);
    };
    if (body.stream !== true) {
      const { deltas, usage } = await collectDeltas(choices.length, run);
      return { ...head, choices: deltas.map(toChoice), usage } satisfies CompletionResponse;
    }
    return SseReply.answer(reply, { signal, describeFailure: context.describeFailure }, async (sse) => {
      const usage = await run((index, delta) => sse.send({ ...head, choices: [toChoice(delta, index)] }));
      if (withUsageChunk) await sse.send({ ...head, choices: [], usage });
    });
  });
}

function headOf(context: ServerContext, request: FastifyRequest, model: LanguageModel) {
  return {
    id: context.answerId('cmpl', request),
    object: 'text_completion',
    created: nowInSeconds(),
    model: model.id,
  };
}

/** @throws InvalidRequestError for what cannot be answered */
function planCompletion(body: CompletionRequest, model: LanguageModel): CompletionPlan {
  rejectUnsupported(body);
  const echo = body.echo === true;
  const maxTokens = body.max_tokens ?? DEFAULT_MAX_TOKENS;
  const promptOnly = echo && maxTokens === 0;
  if (maxTokens === 0 && !promptOnly) {
    throw new InvalidParameterError('max_tokens must be at least 1, got 0.', 'max_tokens', 0);
  }
  assertMaxTokens(model, maxTokens, 'max_tokens');
  const samplings = readSamplings(body);
  const logprobs = readLogprobs(body.logprobs, 'logprobs');
  const stops = readStops(body);
  const prompts = readPrompts(body, model, samplings.length);
  const choices = prompts.flatMap(({ tokens, text }) =>
    samplings.map((sampling) => ({
      generation: {
        prompt: tokens,
        // vLLM runs one step even if only the prompt is wanted, and counts it.
        maxTokens: tokensToGenerate(model, tokens.length, Math.max(1, maxTokens)),
        ignoreEos: body.ignore_eos === true,
        scorePrompt: echo && logprobs !== null,
        logprobs,
        sampling,
      },
      presentation: {
        prompt: tokens,
        echoText: echo ? text : null,
        withLogprobs: logprobs !== null,
        stops,
        promptOnly,
      },
    })),
  );
  return { choices, promptTokens: prompts.reduce((sum, { tokens }) => sum + tokens.length, 0) };
}

function readPrompts(body: CompletionRequest, model: LanguageModel, choicesPerPrompt: number): TokenizedPrompt[] {
  const prompts = listPrompts(body.prompt);
  if (prompts.length > MAX_PROMPTS) {
    throw new InvalidParameterError(
      `prompt list length ${prompts.length} exceeds the maximum allowed count of ${MAX_PROMPTS}.`,
      'prompt',
    );
  }
  if (prompts.length === 1 && prompts[0] === '') {
    throw new InvalidParameterError('Either prompt or prompt_embeds must be provided and non-empty.', 'prompt');
  }
  const count = prompts.length * choicesPerPrompt;
  if (count > model.queueLimit) {
    throw new InvalidRequestError(
      `${count} choices in one request are more than the queue holds (LOCAL_VORPAL_QUEUE, ${model.queueLimit}). ` +
        'Send fewer prompts.',
      'prompt',
    );
  }
  const { windowTokens } = model;
  const truncation = readTruncation(body, { windowTokens, mostTokens: windowTokens - 1, defaultSide: 'left' });
  const withSpecialTokens = body.add_special_tokens !== false;
  return prompts.map((prompt) => tokenizePrompt(model, prompt, { withSpecialTokens, truncation }));
}

function toChoice(delta: ChoiceDelta, index: number): CompletionChoice {
  return {
    index,
    text: delta.text,
    logprobs: completionLogprobs(delta.positions),
    finish_reason: delta.finishReason,
    stop_reason: delta.stopReason,
  };
}
