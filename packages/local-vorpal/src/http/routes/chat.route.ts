import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import {
  type ChatCompletionChunk,
  chatCompletionRequestSchema,
  type ChatCompletionResponse,
  type Usage,
} from '@archive-brain/vllm-protocol';
import type { ChoiceDelta } from '../../engine/choice-assembler.js';
import type { LanguageModel } from '../../engine/language-model.js';
import { chatLogprobs } from '../logprobs-body.js';
import { assertMaxTokens, readableText, readableTokens, tokensToGenerate } from '../prompts.js';
import { parseBody, readTurns, rejectUnsupported } from '../request-body.js';
import { type ChoicePlan, collectDeltas, type DeltaListener, runChoices, usageOf } from '../run-choices.js';
import { readLogprobs, readSamplings, readStops, wantsUsageChunk } from '../sampling-fields.js';
import { nowInSeconds, type ServerContext } from '../server-context.js';
import { SseReply } from '../sse-reply.js';
import { readTruncation } from '../truncation.js';

const requestSchema = chatCompletionRequestSchema.extend({
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).nullish(),
});
type ChatRequest = z.infer<typeof requestSchema>;

/** `POST /v1/chat/completions`: the assistant's answer to a conversation. */
export function registerChat(app: FastifyInstance, context: ServerContext): void {
  app.post('/v1/chat/completions', async (request, reply) => {
    const startedAt = performance.now();
    const body = parseBody(requestSchema, request.body);
    const model = context.models.languageFor(body.model, 'Chat Completions API');
    const plans = planChat(body, model);
    const promptTokens = plans[0]?.generation.prompt.length ?? 0;
    const withUsageChunk = wantsUsageChunk(body);
    const signal = context.endOf(reply);
    const head = { id: context.answerId('chatcmpl', request), created: nowInSeconds(), model: model.id };
    const alternatives = body.top_logprobs ?? 0;

    const run = async (onDelta: DeltaListener): Promise<Usage> => {
      const { completionTokens } = await runChoices(model, plans, signal, onDelta);
      const seconds = (performance.now() - startedAt) / 1000;
      context.metrics.observe(model.id, { promptTokens, completionTokens, seconds });
      return usageOf(promptTokens, completionTokens);
    };
    if (body.stream !== true) {
      const { deltas, usage } = await collectDeltas(plans.length, run);
      const choices = deltas.map((delta, index) => toChoice(delta, index, alternatives));
      return { ...head, object: 'chat.completion', choices, usage } satisfies ChatCompletionResponse;
    }
    return SseReply.answer(reply, { signal, describeFailure: context.describeFailure }, async (sse) => {
      const stream = new ChatStream(sse, head, alternatives);
      const usage = await run((index, delta) => stream.send(index, delta));
      if (withUsageChunk) await stream.sendUsage(usage);
    });
  });
}

/** @throws InvalidRequestError for what cannot be answered */
function planChat(body: ChatRequest, model: LanguageModel): ChoicePlan[] {
  rejectUnsupported(body);
  const samplings = readSamplings(body);
  const stops = readStops(body);
  const logprobs = body.logprobs === true ? (readLogprobs(body.top_logprobs, 'top_logprobs') ?? 0) : null;
  const turns = readTurns(body.messages);
  assertMaxTokens(model, body.max_tokens, 'max_tokens');
  assertMaxTokens(model, body.max_completion_tokens, 'max_completion_tokens');
  const { windowTokens } = model;
  const truncation = readTruncation(body, { windowTokens, mostTokens: windowTokens - 1, defaultSide: 'left' });
  const readable = turns.map(({ role, text }) => ({ role, text: readableText(model, text, truncation) }));
  const prompt = readableTokens(model, model.renderChat(readable), truncation);
  const wanted = body.max_completion_tokens ?? body.max_tokens ?? undefined;
  const maxTokens = tokensToGenerate(model, prompt.length, wanted);
  return samplings.map((sampling) => ({
    generation: {
      prompt,
      maxTokens,
      ignoreEos: body.ignore_eos === true,
      scorePrompt: false,
      logprobs,
      sampling,
    },
    presentation: { prompt, echoText: null, withLogprobs: logprobs !== null, stops, promptOnly: false },
  }));
}

function toChoice(delta: ChoiceDelta, index: number, alternatives: number): ChatCompletionResponse['choices'][number] {
  return {
    index,
    message: { role: 'assistant', content: delta.text },
    logprobs: chatLogprobs(delta.positions, alternatives),
    finish_reason: delta.finishReason,
    stop_reason: delta.stopReason,
  };
}

/** Chunks of a streamed chat; each choice opens with its role. */
class ChatStream {
  private readonly opened = new Set<number>();

  constructor(
    private readonly sse: SseReply,
    private readonly head: { readonly id: string; readonly created: number; readonly model: string },
    private readonly alternatives: number,
  ) {}

  async send(index: number, delta: ChoiceDelta): Promise<void> {
    if (!this.opened.has(index)) {
      this.opened.add(index);
      await this.chunk([{ index, delta: { role: 'assistant', content: '' }, finish_reason: null }]);
    }
    const { text, positions, finishReason } = delta;
    if (text === '' && positions === null && finishReason === null) return;
    await this.chunk([
      {
        index,
        delta: text === '' ? {} : { content: text },
        logprobs: chatLogprobs(positions, this.alternatives),
        finish_reason: finishReason,
      },
    ]);
  }

  async sendUsage(usage: Usage): Promise<void> {
    await this.chunk([], usage);
  }

  private chunk(choices: ChatCompletionChunk['choices'], usage?: Usage): Promise<void> {
    const payload: ChatCompletionChunk = { ...this.head, object: 'chat.completion.chunk', choices };
    return this.sse.send(usage ? { ...payload, usage } : payload);
  }
}
