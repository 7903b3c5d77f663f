import type { Usage } from '@archive-brain/vllm-protocol';
import { ChoiceAssembler, type ChoiceDelta, type ChoiceOptions, joinDeltas } from '../engine/choice-assembler.js';
import type { GenerationRequest, LanguageModel } from '../engine/language-model.js';

/** One choice of the answer: what to generate, and how to present it. */
export interface ChoicePlan {
  readonly generation: GenerationRequest;
  readonly presentation: ChoiceOptions;
}

/** Is awaited before the choice goes on, so a slow reader slows its own generation only. */
export type DeltaListener = (index: number, delta: ChoiceDelta) => Promise<void>;

export interface FinishedChoices {
  readonly completionTokens: number;
}

/**
 * Generates all choices of one request side by side.
 *
 * One failure ends them all, and it is only thrown when every sequence is free again.
 */
export async function runChoices(
  model: LanguageModel,
  plans: readonly ChoicePlan[],
  signal: AbortSignal,
  onDelta: DeltaListener,
): Promise<FinishedChoices> {
  model.assertRoomFor(plans.length);
  const siblingFailed = new AbortController();
  const anyEnd = AbortSignal.any([signal, siblingFailed.signal]);
  const counts = await Promise.allSettled(
    plans.map(async (plan, index) => {
      try {
        return await runChoice(model, plan, anyEnd, (delta) => onDelta(index, delta));
      } catch (error) {
        siblingFailed.abort(error);
        throw error;
      }
    }),
  );
  // An abort reaches every choice with the first failure as its reason, so any of them tells the cause.
  const completionTokens = counts.reduce((sum, count) => {
    if (count.status === 'rejected') throw count.reason;
    return sum + count.value;
  }, 0);
  return { completionTokens };
}

async function runChoice(
  model: LanguageModel,
  { generation, presentation }: ChoicePlan,
  signal: AbortSignal,
  onDelta: (delta: ChoiceDelta) => Promise<void>,
): Promise<number> {
  const assembler = new ChoiceAssembler(model, presentation);
  await model.generate(generation, signal, async (event) => {
    const delta = assembler.accept(event);
    if (delta === undefined) return 'go on';
    await onDelta(delta);
    return delta.finishReason === null ? 'go on' : 'stop';
  });
  return assembler.completionTokens;
}

/** For an answer in one piece: every choice's deltas joined. */
export async function collectDeltas(
  choices: number,
  run: (onDelta: DeltaListener) => Promise<Usage>,
): Promise<{ readonly deltas: readonly ChoiceDelta[]; readonly usage: Usage }> {
  const parts: ChoiceDelta[][] = Array.from({ length: choices }, () => []);
  const usage = await run(async (index, delta) => {
    parts[index]?.push(delta);
  });
  return { deltas: parts.map(joinDeltas), usage };
}

export function usageOf(promptTokens: number, completionTokens: number): Usage {
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
  };
}
