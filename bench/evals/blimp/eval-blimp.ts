import { NestFactory } from '@nestjs/core';
import { ConfigModule } from '../../../src/config/index.js';
import { LifecycleModule } from '../../../src/infra/lifecycle/index.js';
import { createLogger, ProgressBar } from '../../../src/observability/index.js';
import {
  PerplexityScorer,
  type TextScore,
  VorpalClient,
  VorpalModule,
  waitForVorpal,
} from '../../../src/vorpal/index.js';
import { areaUnderCurve } from '../../figures/area-under-curve.js';
import { countCorrect, type MinimalPair, readPairs } from './blimp.js';
import { readArguments, requireFile } from '../evaluation.js';
import { formatTable, print, round } from '../../figures/report.js';
import { ImportsOnly } from '../../load/imports-only.js';
import { observabilitySettings } from '../../../src/observability/index.js';
import { readSettings } from '../../../src/settings.js';

// Pairs of one scoring call: few enough that the bar moves, enough that requests are batches.
const PAIRS_PER_CALL = 16;
// A call takes seconds; one that takes minutes never ends.
const SCORING_LIMIT_MS = 300_000;

/**
 * The share of minimal pairs whose good sentence has the higher total logprob, and how well perplexity alone tells the
 * good ones from the bad ones, all against all.
 */
export async function evaluateBlimp(args: readonly string[]): Promise<void> {
  const { positionals, values } = readArguments(args, { json: { type: 'boolean', default: false } });
  const pairs = readPairs(requireFile(positionals));
  // The local Vorpal inherits it, too: between bar and table only what is wrong should stand.
  const settings = readSettings({ ...process.env, LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn' });
  const imports = [ConfigModule.forRoot(settings), LifecycleModule, VorpalModule];
  const app = await NestFactory.createApplicationContext(
    { module: ImportsOnly, imports },
    {
      logger: createLogger(settings.of(observabilitySettings), 'Evaluation'),
    },
  );
  try {
    await waitForVorpal(app.get(VorpalClient));
    const scored = await scorePairs(app.get(PerplexityScorer), pairs);
    report(pairs, scored, values.json);
  } finally {
    await app.close();
  }
}

interface PairScores {
  readonly good: TextScore;
  readonly bad: TextScore;
}

async function scorePairs(scorer: PerplexityScorer, pairs: readonly MinimalPair[]): Promise<PairScores[]> {
  const bar = new ProgressBar('scoring pairs', pairs.length);
  const scored: PairScores[] = [];
  for (let start = 0; start < pairs.length; start += PAIRS_PER_CALL) {
    const chunk = pairs.slice(start, start + PAIRS_PER_CALL);
    const scores = await scorer.score(
      chunk.flatMap(({ good, bad }) => [{ text: good }, { text: bad }]),
      { signal: AbortSignal.timeout(SCORING_LIMIT_MS) },
    );
    for (const index of chunk.keys()) {
      const [good, bad] = scores.slice(2 * index);
      if (good && bad) scored.push({ good, bad });
    }
    bar.advance(chunk.length);
  }
  bar.stop();
  return scored;
}

const totalLogprob = ({ tokens }: TextScore): number => tokens.reduce((sum, { logprob }) => sum + (logprob ?? 0), 0);

function report(pairs: readonly MinimalPair[], scored: readonly PairScores[], asJson: boolean): void {
  const totals = scored.map(({ good, bad }) => ({ good: totalLogprob(good), bad: totalLogprob(bad) }));
  const results = countCorrect(pairs, totals);
  const correct = results.reduce((sum, result) => sum + result.correct, 0);
  const share = round(correct / pairs.length, 4);
  const perplexities = (side: keyof PairScores) => scored.flatMap((pair) => pair[side].perplexity ?? []);
  const [good, bad] = [perplexities('good'), perplexities('bad')];
  const area = round(areaUnderCurve(good, bad), 4);
  const unscored = 2 * pairs.length - good.length - bad.length;
  const { model = '', prefix = null } = scored[0]?.good ?? {};
  print(
    formatTable(
      ['paradigm', 'pairs', 'right', 'share'],
      results.map((result) => [result.paradigm, result.pairs, result.correct, round(result.correct / result.pairs, 3)]),
    ),
  );
  print(`\n${model}, scored after ${prefix ?? 'nothing'}: ${correct} of ${pairs.length} pairs right, share ${share}`);
  print(`Perplexity of the good against that of the bad, area under the curve: ${area}; ${unscored} have none`);
  if (!asJson) return;
  print(JSON.stringify({ model, prefix, pairs: pairs.length, correct, share, area, unscored, paradigms: results }));
}
