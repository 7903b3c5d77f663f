import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ProgressBar } from '../../../src/observability/index.js';
import { sleep } from '../../../src/shared/index.js';
import { ChildProgram } from '../../load/child-program.js';
import { readArguments, requireFile } from '../evaluation.js';
import { estimate, recallAt } from '../evidence.js';
import { ASKED_IN, findAll, readSayings } from './languages.js';
import { describeMachine, formatTable, print } from '../../figures/report.js';

const OWN_SAYINGS = fileURLToPath(new URL('../../data/languages.jsonl', import.meta.url));
const MODES = ['dense', 'hybrid', 'lexical'] as const;
const DEPTHS = [1, 5] as const;
const USER = 'polyglot';
// A first start may fetch a model of 140 MB.
const READY_LIMIT_MS = 30 * 60_000;
const READY_POLL_MS = 500;
const CALL_LIMIT_MS = 120_000;
const DIGITS = 3;

const foundSchema = z.looseObject({ memories: z.array(z.looseObject({ text: z.string() })) });

interface Row {
  readonly mode: string;
  readonly askedIn: string;
  readonly recall: Readonly<Record<string, ReturnType<typeof estimate>>>;
}

/**
 * Whether what was said in one language is found by questions in the same and in another. All is said by one user, so
 * that each fact stands beside those of every other language, and is asked for through `POST /memories/search`.
 */
export async function evaluateLanguages(args: readonly string[]): Promise<void> {
  const { positionals, values } = readArguments(args, { json: { type: 'boolean', default: false } });
  const sayings = readSayings(positionals.length === 0 ? OWN_SAYINGS : requireFile(positionals));
  const dataDir = mkdtempSync(join(tmpdir(), 'eval-languages-'));
  // Nothing is generated or scored, so that the brain needs no Vorpal but the embedder.
  const environment = {
    REDIS_URL: '',
    BRAIN_DATA_DIR: dataDir,
    ASYNC_MEMORY: 'false',
    VORPAL_URL: 'http://127.0.0.1:1',
  };
  const brain = ChildProgram.start('brain', { NODE_ENV: '', ...environment });
  try {
    const url = await brain.url();
    await untilItEmbeds(url);
    const bar = new ProgressBar('saying and asking', sayings.length * (1 + MODES.length * ASKED_IN.length));
    for (const { fact } of sayings) {
      await post(`${url}/memories`, { user_id: USER, text: fact });
      bar.advance(1);
    }
    const rows: Row[] = [];
    for (const mode of MODES) {
      for (const askedIn of ASKED_IN) {
        const findings = await findAll(sayings, askedIn, async (query) => {
          bar.advance(1);
          return search(url, query, mode);
        });
        const recallAtDepth = (k: number) => estimate(findings.map((finding) => recallAt(k, finding)));
        rows.push({ mode, askedIn, recall: Object.fromEntries(DEPTHS.map((k) => [`@${k}`, recallAtDepth(k)])) });
      }
    }
    bar.stop();
    report(await embeddingModel(url), sayings.length, rows, values.json);
  } catch (error) {
    throw new Error(`The brain did not answer to the end. Its output:\n${brain.output()}`, { cause: error });
  } finally {
    await brain.end('SIGTERM');
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function untilItEmbeds(url: string): Promise<void> {
  const limit = AbortSignal.timeout(READY_LIMIT_MS);
  for (;;) {
    try {
      await search(url, 'Anything?', 'dense');
      return;
    } catch (error) {
      if (limit.aborted) throw error;
      await sleep(READY_POLL_MS);
    }
  }
}

/** As the store knows it, with its build: health says so whatever else it says. */
async function embeddingModel(url: string): Promise<string> {
  const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(CALL_LIMIT_MS) });
  const model = /"embedding_model":"(?<model>[^"]+)"/.exec(await response.text())?.groups?.model;
  if (model === undefined) throw new Error('The health of the brain names no embedding model.');
  return model;
}

async function search(url: string, query: string, mode: string): Promise<string[]> {
  const limit = Math.max(...DEPTHS);
  const { memories } = foundSchema.parse(await post(`${url}/memories/search`, { user_id: USER, query, mode, limit }));
  return memories.map(({ text }) => text);
}

async function post(url: string, body: object): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(CALL_LIMIT_MS),
  });
  if (!response.ok) throw new Error(`${url} answered HTTP ${response.status}: ${await response.text()}`);
  return response.json();
}

function report(model: string, facts: number, rows: readonly Row[], asJson: boolean): void {
  const text = ({ mean, low, high }: ReturnType<typeof estimate>): string =>
    `${mean.toFixed(DIGITS)} [${low.toFixed(DIGITS)}, ${high.toFixed(DIGITS)}]`;
  print(`${model}: ${facts} facts of one user, each asked for in its own language and in another\n`);
  print(
    formatTable(
      ['search', 'asked in', ...DEPTHS.map((k) => `@${k}`)],
      rows.map(({ mode, askedIn, recall }) => [
        mode,
        askedIn === 'same' ? 'its language' : 'another',
        ...Object.values(recall).map(text),
      ]),
    ),
  );
  print(`\n${describeMachine()}`);
  if (asJson) print(JSON.stringify({ model, machine: describeMachine(), facts, rows }));
}
