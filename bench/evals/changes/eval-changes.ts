import { NestFactory } from '@nestjs/core';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigModule } from '../../../src/config/index.js';
import { readSettings } from '../../../src/settings.js';
import { LifecycleModule } from '../../../src/infra/lifecycle/index.js';
import { StorageModule } from '../../../src/infra/storage/index.js';
import { CHANGE_MODELS, type ChangeModels, Embedder, MemoryModule, scoreChange } from '../../../src/memory/index.js';
import { createLogger, observabilitySettings, ProgressBar } from '../../../src/observability/index.js';
import { VorpalClient, waitForVorpal } from '../../../src/vorpal/index.js';
import { followThroughChats } from './change-recall.js';
import { compareFeatures } from './change-ablation.js';
import { fitChangeModels } from './change-fit.js';
import {
  type ChangePair,
  differenceOfPair,
  type EmbeddedPair,
  isChange,
  readChangePairs,
  unpairedOf,
} from './change-pairs.js';
import { areaOf, formatInterval, type Judged, precision, recall, withInterval } from './classification.js';
import { readArguments, requireFile } from '../evaluation.js';
import { formatTable, print, round } from '../../figures/report.js';
import { ImportsOnly } from '../../load/imports-only.js';

const PAIRS_PER_CALL = 16;
const OPTIONS = {
  fit: { type: 'string' },
  ablation: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

type JudgedPair = EmbeddedPair & Judged;

/** How well the detection tells facts that changed from others; fits it, and compares what it could be made of. */
export async function evaluateChanges(args: readonly string[]): Promise<void> {
  const { positionals, values } = readArguments(args, OPTIONS);
  const pairs = readChangePairs(requireFile(positionals));
  const dataDir = mkdtempSync(join(tmpdir(), 'eval-changes-'));
  const settings = readSettings({
    ...process.env,
    REDIS_URL: '',
    BRAIN_DATA_DIR: dataDir,
    LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn',
  });
  const imports = [ConfigModule.forRoot(settings), LifecycleModule, StorageModule, MemoryModule];
  const app = await NestFactory.createApplicationContext(
    { module: ImportsOnly, imports },
    {
      logger: createLogger(settings.of(observabilitySettings), 'Evaluation'),
    },
  );
  let result: ReturnType<typeof report>;
  try {
    await waitForVorpal(app.get(VorpalClient));
    const embedded = await embedPairs(app.get(Embedder), pairs);
    const unpaired = await embedPairs(app.get(Embedder), unpairedOf(pairs));
    const models = values.fit === undefined ? CHANGE_MODELS : fitPart([...embedded, ...unpaired]);
    if (values.fit !== undefined) writeModels(values.fit, models);
    result = report(embedded, unpaired, models);
    if (values.ablation) await compareFeatures(app, [...embedded, ...unpaired]);
  } finally {
    await app.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
  // A brain has the models that were built in.
  const chats = values.fit === undefined ? await followThroughChats(pairs) : undefined;
  if (values.json) print(JSON.stringify({ ...result, chats }));
}

async function embedPairs(embedder: Embedder, pairs: readonly ChangePair[]): Promise<EmbeddedPair[]> {
  const bar = new ProgressBar('embedding pairs', pairs.length);
  const embedded: EmbeddedPair[] = [];
  for (let start = 0; start < pairs.length; start += PAIRS_PER_CALL) {
    const chunk = pairs.slice(start, start + PAIRS_PER_CALL);
    const vectors = await embedder.embed(chunk.flatMap(({ before, after }) => [before, after]));
    for (const [index, pair] of chunk.entries()) {
      const [before, after] = [vectors[2 * index], vectors[2 * index + 1]];
      const cosine =
        before && after ? before.reduce((sum, value, column) => sum + value * (after[column] ?? 0), 0) : null;
      embedded.push({ ...pair, cosine });
    }
    bar.advance(chunk.length);
  }
  bar.stop();
  return embedded;
}

function fitPart(pairs: readonly EmbeddedPair[]): ChangeModels {
  return fitChangeModels(pairs.filter(({ part }) => part === 'fit'));
}

function writeModels(file: string, models: ChangeModels): void {
  writeFileSync(
    file,
    [
      `import type { ChangeModels } from './change-classifier.js';\n`,
      '/** Written by `npm run eval -- changes test/fixtures/changes/pairs.jsonl --fit FILE`, with this file. */',
      `export const CHANGE_MODELS: ChangeModels = ${sourceOf(models)};\n`,
    ].join('\n'),
  );
}

/** As the formatter writes it. */
const sourceOf = (models: ChangeModels): string =>
  JSON.stringify(models, undefined, 2)
    .replaceAll(/"(\w+)":/g, '$1:')
    .replaceAll(/(?<=[\d}])\n/g, ',\n');

/** Of the pairs that the models have not seen; pairs that were not put together on purpose count by themselves. */
function report(pairs: readonly EmbeddedPair[], unpaired: readonly EmbeddedPair[], models: ChangeModels) {
  const judge = (all: readonly EmbeddedPair[]) =>
    all
      .filter(({ part }) => part !== 'fit')
      .map((pair): JudgedPair => {
        const { probability, isChange: isMarked } = scoreChange(differenceOfPair(pair), pair.cosine, models);
        return { ...pair, score: probability, isMarked, isPositive: isChange(pair) };
      });
  const judged = judge(pairs);
  const withoutCosine = judge(pairs.map((pair) => ({ ...pair, cosine: null })));
  const apart = judge(unpaired);
  const parts = Map.groupBy(judged, ({ part }) => part ?? 'all');
  const rows = [
    ...[...parts].map(([part, own]) => summary(`${part}: words and cosine`, own)),
    ...[...Map.groupBy(withoutCosine, ({ part }) => part ?? 'all')].map(([part, own]) =>
      summary(`${part}: words alone`, own),
    ),
    summary('words and cosine, and unpaired texts', [...judged, ...apart]),
  ];
  print(
    formatTable(
      ['part, judged by', 'pairs', 'AUC', 'precision', 'recall'],
      rows.map(({ name, count, auc, exact, found }) => [name, count, ...[auc, exact, found].map(formatInterval)]),
    ),
  );
  const kinds = [...Map.groupBy([...judged, ...apart], ({ kind }) => kind)].map(share);
  print(`\n${formatTable(['kind', 'pairs', 'marked', 'share'], kinds)}`);
  const languages = [...Map.groupBy(judged, ({ language }) => language)].map(([language, own]) => [
    language,
    own.length,
    ...[areaOf(own), precision(own), recall(own)].map((value) => round(value, 3)),
  ]);
  print(`\n${formatTable(['language', 'pairs', 'AUC', 'precision', 'recall'], languages)}`);
  const wrong = judged.filter(({ isMarked, isPositive }) => isMarked && !isPositive);
  for (const { kind, score, before, after } of wrong) {
    print(`marked though ${kind}, ${round(score, 2)}: ${before} | ${after}`);
  }
  return { rows, kinds, languages };
}

function summary(name: string, judged: readonly Judged[]) {
  return {
    name,
    count: judged.length,
    auc: withInterval(judged, areaOf),
    exact: withInterval(judged, precision),
    found: withInterval(judged, recall),
  };
}

function share([kind, own]: [string, readonly Judged[]]): [string, number, number, number] {
  const marked = own.filter(({ isMarked }) => isMarked).length;
  return [kind, own.length, marked, round(marked / own.length, 3)];
}
