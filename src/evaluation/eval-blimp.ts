import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ConfigModule, readSettings } from '../config/index.js';
import { LifecycleModule } from '../infra/lifecycle/index.js';
import { createLogger, ProgressBar } from '../observability/index.js';
import { PerplexityScorer, type TextScore, VorpalClient, VorpalModule, waitForVorpal } from '../vorpal/index.js';
import { countCorrect, type MinimalPair, readPairs } from './blimp.js';
import { readArguments, requireFile } from './evaluation.js';
import { formatTable, print, round } from './report.js';

// Pairs of one scoring call: few enough that the bar moves, enough that requests are batches.
const PAIRS_PER_CALL = 16;

/** The share of minimal pairs whose good sentence has the higher total logprob. */
export async function evaluateBlimp(args: readonly string[]): Promise<void> {
  const { positionals, values } = readArguments(args, { json: { type: 'boolean', default: false } });
  const pairs = readPairs(requireFile(positionals));
  // The local Vorpal inherits it, too: between bar and table only what is wrong should stand.
  const environment = { ...process.env, LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn' };
  @Module({ imports: [ConfigModule.forRoot(environment), LifecycleModule, VorpalModule] })
  class EvaluationModule {}
  const app = await NestFactory.createApplicationContext(EvaluationModule, {
    logger: createLogger(readSettings(environment), 'Evaluation'),
  });
  try {
    await waitForVorpal(app.get(VorpalClient));
    const { totals, model } = await scorePairs(app.get(PerplexityScorer), pairs);
    report(pairs, totals, model, values.json);
  } finally {
    await app.close();
  }
}

async function scorePairs(
  scorer: PerplexityScorer,
  pairs: readonly MinimalPair[],
): Promise<{ totals: { good: number; bad: number }[]; model: string }> {
  const bar = new ProgressBar('scoring pairs', pairs.length);
  const totals: { good: number; bad: number }[] = [];
  let model = '';
  for (let start = 0; start < pairs.length; start += PAIRS_PER_CALL) {
    const chunk = pairs.slice(start, start + PAIRS_PER_CALL);
    const scores = await scorer.score(
      chunk.flatMap(({ good, bad }) => [{ text: good }, { text: bad }]),
      { signal: AbortSignal.timeout(300_000) },
    );
    for (const index of chunk.keys()) {
      totals.push({ good: totalLogprob(scores[2 * index]), bad: totalLogprob(scores[2 * index + 1]) });
    }
    model = scores[0]?.model ?? model;
    bar.advance(chunk.length);
  }
  bar.stop();
  return { totals, model };
}

function totalLogprob(score: TextScore | undefined): number {
  return score?.tokens.reduce((sum, { logprob }) => sum + (logprob ?? 0), 0) ?? Number.NaN;
}

function report(
  pairs: readonly MinimalPair[],
  totals: readonly { good: number; bad: number }[],
  model: string,
  asJson: boolean,
): void {
  const results = countCorrect(pairs, totals);
  const correct = results.reduce((sum, result) => sum + result.correct, 0);
  const share = round(correct / pairs.length, 4);
  print(
    formatTable(
      ['paradigm', 'pairs', 'right', 'share'],
      results.map((result) => [result.paradigm, result.pairs, result.correct, round(result.correct / result.pairs, 3)]),
    ),
  );
  print(`\n${model}: ${correct} of ${pairs.length} pairs right, share ${share}`);
  if (asJson) print(JSON.stringify({ model, pairs: pairs.length, correct, share, paradigms: results }));
}
