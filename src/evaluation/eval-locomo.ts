import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigModule, readSettings } from '../config/index.js';
import { LifecycleModule } from '../infra/lifecycle/index.js';
import { StorageModule } from '../infra/storage/index.js';
import { MemoryModule } from '../memory/index.js';
import { createLogger } from '../observability/index.js';
import { VorpalClient, waitForVorpal } from '../vorpal/index.js';
import { readArguments, requireFile } from './evaluation.js';
import { readConversations } from './locomo.js';
import { DEPTHS, LocomoEvaluation, type PolicyResult } from './locomo-evaluation.js';
import { describeMachine, formatTable, print, round } from './report.js';

/** What a gate keeps of long conversations, and what of it is found again. */
export async function evaluateLocomo(args: readonly string[]): Promise<void> {
  const { positionals, values } = readArguments(args, { json: { type: 'boolean', default: false } });
  const conversations = readConversations(requireFile(positionals));
  const dataDir = mkdtempSync(join(tmpdir(), 'eval-locomo-'));
  // A file of its own, whatever store the person at the keyboard uses otherwise.
  const environment = {
    ...process.env,
    REDIS_URL: '',
    BRAIN_DATA_DIR: dataDir,
    LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn',
  };
  @Module({ imports: [ConfigModule.forRoot(environment), LifecycleModule, StorageModule, MemoryModule] })
  class EvaluationModule {}
  const app = await NestFactory.createApplicationContext(EvaluationModule, {
    logger: createLogger(readSettings(environment), 'Evaluation'),
  });
  try {
    await waitForVorpal(app.get(VorpalClient));
    const evaluation = new LocomoEvaluation(app, environment);
    await evaluation.prepare(conversations);
    report(await evaluation.comparePolicies(), evaluation, values.json);
  } finally {
    await app.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function report(
  policies: readonly PolicyResult[],
  { prepared, tokensPerTurn, model }: LocomoEvaluation,
  asJson: boolean,
): void {
  const columns = ['policy', 'kept', ...DEPTHS.map((depth) => `@${depth}`), ...DEPTHS.map((depth) => `1-4 @${depth}`)];
  print(
    formatTable(
      [...columns, 'shadow', 'LM tokens/turn', 'seconds'],
      policies.map((policy) => [
        policy.name,
        round(policy.kept_share, 3),
        ...DEPTHS.map((depth) => round(policy.recall[depth] ?? 0, 3)),
        ...DEPTHS.map((depth) => round(policy.recall_answerable[depth] ?? 0, 3)),
        policy.found_in_shadow ?? '-',
        policy.lm_tokens_per_turn,
        policy.seconds,
      ]),
    ),
  );
  const turns = prepared.reduce((sum, conversation) => sum + conversation.turns.length, 0);
  const questions = prepared.reduce((sum, conversation) => sum + conversation.questions.length, 0);
  print(
    `\n${turns} turns, ${questions} questions with evidence; recall of evidence turns, "1-4" without the adversarial category 5`,
  );
  print(`${model}: ${round(tokensPerTurn, 1)} tokens a message, as the server counts them; ${describeMachine()}`);
  if (asJson) print(JSON.stringify({ model, machine: describeMachine(), turns, questions, policies }));
}
